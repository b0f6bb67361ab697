"""The report on one video: a page that stands alone, to be kept, printed or handed on."""

from unmask_gateway.report.document import ReportMaker

__all__ = ["ReportMaker"]
