"""Every error that a user or an operator can meet, as one tree.

Each class has a stable `code` (clients branch on it), the HTTP status that the gateway answers
with, whether trying again can help, a short title, and what the reader can do about it. The
instance adds what exactly was wrong, with the offending value.
"""

from typing import ClassVar


class UnmaskError(Exception):
    """Base of all typed errors; `str(error)` is the detail."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    worth_another_try: ClassVar[bool] = False
    """Whether the video may not be to blame, so that it fails only if this happens each time."""
    title: ClassVar[str] = "Something went wrong inside Unmask"
    action: ClassVar[str] = "Tell the operator of this installation, with the time of the request."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.title)

    @property
    def detail(self) -> str:
        """What exactly was wrong, for the reader of the response or the log."""
        return str(self)


# --- Requests that cannot be taken -----------------------------------------------------------


class InvalidRequest(UnmaskError):
    """The request does not have the documented form."""

    code = "invalid_request"
    http_status = 422
    title = "The request is not valid"
    action = "Compare the request with the API description at /openapi.json."


class InvalidOption(InvalidRequest):
    """A field of the form asks for an analysis that does not exist."""

    code = "invalid_option"
    title = "An option of the analysis is not valid"
    action = "Send one of the values that the detail names, or leave the field out."


class InvalidCursor(InvalidRequest):
    """A list is to go on at a place that it never named."""

    code = "invalid_cursor"
    title = "This is no cursor of the list"
    action = "Send `next_cursor` of the page before as it is, or leave it out to begin anew."


class RouteNotFound(UnmaskError):
    """Nothing is served under this path."""

    code = "route_not_found"
    http_status = 404
    title = "There is nothing at this address"
    action = "Compare the path with the API description at /openapi.json."


class MethodNotAllowed(UnmaskError):
    """The path exists, but not for this HTTP method."""

    code = "method_not_allowed"
    http_status = 405
    title = "The HTTP method is not allowed here"
    action = "Use one of the methods that the Allow header names."


class MalformedVideoId(InvalidRequest):
    """A path contains something that can never be the id of a video."""

    code = "malformed_video_id"
    title = "This is not a video id"
    action = (
        "Use the `id` that POST /videos returned, for example 01890a5d-ac96-774b-bcce-b302099a8057."
    )


class VideoNotFound(UnmaskError):
    """No video has this id."""

    code = "video_not_found"
    http_status = 404
    title = "There is no such video"
    action = "Check the id. Videos that were deleted cannot be read again."


class NothingToReport(UnmaskError):
    """A report is asked for, but the video has no verdict."""

    code = "nothing_to_report"
    http_status = 409
    title = "There is no verdict to report on"
    action = (
        "Wait until the status is `completed`; GET /videos/{video_id} says if it never will be."
    )


class RangeNotSatisfiable(UnmaskError):
    """A request asks for bytes behind the end of a file."""

    code = "range_not_satisfiable"
    http_status = 416
    title = "The file does not have these bytes"
    action = "Ask for a range within the size that the Content-Range header names."


class VideoAlreadyEnded(UnmaskError):
    """A video has ended before it could be cancelled."""

    code = "video_already_ended"
    http_status = 409
    title = "The video has ended already"
    action = "Read its outcome, or erase the video with DELETE."


class UnsupportedContentType(UnmaskError):
    """The body of POST /videos is neither multipart/form-data nor JSON."""

    code = "unsupported_content_type"
    http_status = 415
    title = "The request has the wrong content type"
    action = (
        "Send the video as multipart/form-data in a field named `file`, or application/json with "
        "its `source_url`."
    )


class MalformedUpload(UnmaskError):
    """The multipart body is broken, or has no `file` field."""

    code = "malformed_upload"
    http_status = 400
    title = "The upload is malformed"
    action = "Send one file in a multipart/form-data field named `file`."


class TruncatedUpload(UnmaskError):
    """The body ended before the multipart message did."""

    code = "truncated_upload"
    http_status = 400
    retryable = True
    title = "The upload ended too early"
    action = "Send the file again; the connection was probably cut."


class UploadStalled(UnmaskError):
    """The client stopped sending, or sends too slowly."""

    code = "upload_stalled"
    http_status = 408
    retryable = True
    title = "The upload took too long"
    action = "Check the network connection and send the file again."


class TooManyUploads(UnmaskError):
    """As many uploads are running as this installation takes at once."""

    code = "too_many_uploads"
    http_status = 503
    retryable = True
    title = "Too many uploads at the moment"
    action = "Send the file again in a moment."


class QueueFull(UnmaskError):
    """More videos wait for a worker than this installation lets wait."""

    code = "queue_full"
    http_status = 503
    retryable = True
    title = "Too many videos are waiting"
    action = (
        "Send the video again later; the operator can add workers, and sets the limit with "
        "UNMASK_WAITING_VIDEOS."
    )


class TooManyEventStreams(UnmaskError):
    """As many clients follow videos as this installation serves at once."""

    code = "too_many_event_streams"
    http_status = 503
    retryable = True
    title = "Too many clients follow videos at the moment"
    action = "Connect again in a moment, or poll GET /videos/{video_id}."


class EmptyUpload(UnmaskError):
    """The uploaded file has no bytes."""

    code = "empty_upload"
    http_status = 400
    title = "The uploaded file is empty"
    action = "Check the file on your side and send it again."


class UploadTooLarge(UnmaskError):
    """The upload exceeds the size cap of this installation."""

    code = "upload_too_large"
    http_status = 413
    title = "The upload is too large"
    action = "Cut or re-encode the video, or ask the operator to raise UNMASK_MAX_UPLOAD_BYTES."


class NotAVideo(UnmaskError):
    """The first bytes are not those of a video container that Unmask reads."""

    code = "not_a_video"
    http_status = 415
    title = "The file is not a video"
    action = "Send an MP4, MOV, WebM, MKV, AVI, MPEG, FLV, WMV, OGV or animated GIF file."


class IdempotencyKeyReused(InvalidRequest):
    """An Idempotency-Key came before, with another request."""

    code = "idempotency_key_reused"
    title = "The Idempotency-Key belongs to another request"
    action = "Send each new video with a new key, and repeat a request without any change."


class IdempotencyKeySpent(UnmaskError):
    """The video that an Idempotency-Key stands for is not there any more."""

    code = "idempotency_key_spent"
    http_status = 409
    title = "The video of this Idempotency-Key was deleted"
    action = "Send the video with a new key."


class SourceUrlRefused(InvalidRequest):
    """A URL names something that this installation does not fetch from, or sends to."""

    code = "url_refused"
    title = "This URL is not allowed here"
    action = (
        "Use an http or https URL of a public server, without a password; the operator can allow "
        "other hosts and ports."
    )


class SourceUrlUnreachable(UnmaskError):
    """A file cannot be fetched from its URL."""

    code = "source_url_unreachable"
    http_status = 424
    retryable = True
    title = "The video cannot be fetched from its URL"
    action = "Check that the URL can be downloaded without signing in, or send the file itself."


class DirectUploadsOff(UnmaskError):
    """Clients cannot reach the object store of this installation."""

    code = "direct_uploads_off"
    http_status = 409
    title = "This installation takes uploads only through POST /videos"
    action = (
        "Send the file to POST /videos. The operator can allow direct uploads with an S3 store and "
        "UNMASK_S3_PUBLIC_ENDPOINT."
    )


class WebhooksOff(UnmaskError):
    """This installation sends no webhooks."""

    code = "webhooks_off"
    http_status = 409
    title = "This installation sends no webhooks"
    action = "Poll GET /videos/{video_id}, or ask the operator to set UNMASK_WEBHOOK_SECRET."


class MalformedBatchId(InvalidRequest):
    """A path contains something that can never be the id of a batch."""

    code = "malformed_batch_id"
    title = "This is not a batch id"
    action = "Use the `id` that POST /batches returned."


class BatchNotFound(UnmaskError):
    """No batch has this id."""

    code = "batch_not_found"
    http_status = 404
    title = "There is no such batch"
    action = "Check the id. Batches that were deleted cannot be read again."


class UploadNotFound(UnmaskError):
    """No direct upload has this id, or its time is over."""

    code = "upload_not_found"
    http_status = 404
    title = "There is no such upload"
    action = "Begin a new one with POST /uploads."


class UploadIncomplete(UnmaskError):
    """Parts of a direct upload have not arrived."""

    code = "upload_incomplete"
    http_status = 409
    title = "The upload is not complete"
    action = "Send the parts that GET /uploads/{upload_id} shows as not stored, then try again."


# --- Videos that cannot be processed ---------------------------------------------------------


class UnreadableVideo(UnmaskError):
    """The container or its video stream cannot be decoded."""

    code = "unreadable_video"
    http_status = 422
    title = "The video cannot be decoded"
    action = (
        "Check that the file plays on your side, re-encode it as H.264 in MP4, and send it again."
    )


class NoVideoStream(UnreadableVideo):
    """The file holds audio or data, but no pictures."""

    code = "no_video_stream"
    title = "The file has no video stream"
    action = "Send a file with pictures; sound alone cannot be analysed."


class DecoderCrashed(UnreadableVideo):
    """The process that decoded the video was ended by a signal or an abort."""

    code = "decoder_crashed"
    title = "The video takes the decoder down"
    action = "Re-encode the video as H.264 in MP4, and send it again."


class VideoTooDemanding(UnreadableVideo):
    """Decoding would exceed the limits on pixels, frames or time."""

    code = "video_too_demanding"
    title = "The video exceeds the limits of this installation"
    action = "Scale the video down or cut it, and send it again."


class DecoderKilled(VideoTooDemanding):
    """Somebody ended the decoder: the kernel for want of memory, or an operator."""

    code = "decoder_killed"
    worth_another_try = True
    title = "The decoder was killed while it read the video"
    action = "Send a smaller version, or give the machine of the preprocessor more memory."


class ProcessingCrashed(UnmaskError):
    """The video took its worker down as often as the redelivery cap allows."""

    code = "processing_crashed"
    title = "Processing this video failed repeatedly"
    action = "Re-encode the video and send it again; if it fails again, report it to the operator."


class DamagedDocument(UnmaskError):
    """A stored document about a video is not what this version of Unmask writes."""

    code = "damaged_document"
    title = "What is stored about this video cannot be read"
    action = (
        "Tell the operator: the object is damaged, or was written by another version of Unmask."
    )


class DamagedCrops(UnmaskError):
    """The stored face crops of a video cannot be read back."""

    code = "damaged_crops"
    title = "The stored faces are damaged"
    action = "Submit the video again; if it happens again, check the object store."


# --- Face detectors ---------------------------------------------------------------------------


class DetectorUnavailable(UnmaskError):
    """The face detector that is set needs a model file that is missing or not usable."""

    code = "detector_unavailable"
    title = "The face detector cannot be used"
    action = (
        "Point UNMASK_YUNET_MODEL to face_detection_yunet_2023mar.onnx of OpenCV's model zoo, or "
        "set UNMASK_FACE_DETECTOR to libfacedetection, which needs no file."
    )


# --- Checkpoints -----------------------------------------------------------------------------


class InvalidCheckpoint(UnmaskError):
    """A checkpoint is missing, damaged, or does not match its card."""

    code = "invalid_checkpoint"
    title = "The checkpoint cannot be used"
    action = "Publish the checkpoint again, or point UNMASK_MODEL_DIR to a complete one."


class IncompatibleCheckpoint(InvalidCheckpoint):
    """A checkpoint was trained on other crops than this installation cuts."""

    code = "incompatible_checkpoint"
    title = "The checkpoint does not fit this installation"
    action = (
        "Activate a checkpoint of the crop size, margin and face mode that the detail names, or "
        "change UNMASK_CROP_SIZE or UNMASK_CROP_MARGIN for preprocessor and inference worker "
        "alike."
    )


class DamagedModel(InvalidCheckpoint):
    """What the registry holds of a version is not what was published."""

    code = "damaged_model"
    title = "A published model is damaged"
    action = "Publish the same checkpoint again, which repairs it, or activate another version."


class InvalidModelRef(InvalidRequest):
    """A name or a version can never be those of a model."""

    code = "invalid_model_ref"
    title = "This is not the name and version of a model"
    action = "Use a name and a version as `models list` shows them, such as resnet-lstm 0.1.1."


class ModelNotFound(UnmaskError):
    """The registry has no such version, or not all of it."""

    code = "model_not_found"
    http_status = 404
    title = "There is no such model version"
    action = "Choose one of those that `models list` shows, or publish the checkpoint first."


class ModelVersionTaken(UnmaskError):
    """Other files were published under this name and version."""

    code = "model_version_taken"
    http_status = 409
    title = "This version was published before, with other content"
    action = "Give the checkpoint a new version: what was published never changes."


class UnknownModel(InvalidRequest):
    """A request chooses a version that is not published."""

    code = "unknown_model"
    title = "The chosen model is not published here"
    action = "Choose one of those that GET /models lists, or leave the choice out."


class ModelRefused(UnmaskError):
    """A request chooses a version that a worker has refused."""

    code = "model_refused"
    http_status = 422
    title = "The workers cannot use this model"
    action = (
        "Choose another model. An operator who has put the cause right lets the workers try again "
        "with PUT /models/active and `despite_refusal`, or with `models activate`."
    )


class ModelUnusable(UnmaskError):
    """The version that the sender of a video chose cannot judge it."""

    code = "model_unusable"
    title = "The chosen model cannot be used"
    action = "Analyse the video again with another model; GET /models lists those that work."


class NothingToRollBack(UnmaskError):
    """No published version is active."""

    code = "nothing_to_roll_back"
    http_status = 409
    title = "There is no activation to undo"
    action = "The checkpoint in UNMASK_MODEL_DIR judges already; activate a published version."


class IncompatibleFaces(UnmaskError):
    """The stored face crops do not have the form that the checkpoint asks for."""

    code = "incompatible_faces"
    title = "The stored faces do not fit the checkpoint"
    action = (
        "Set UNMASK_CROP_SIZE and UNMASK_CROP_MARGIN of the preprocessor as on the checkpoint's "
        "card and resubmit."
    )


class OutOfMemory(UnmaskError):
    """Not even one clip fits into the memory beside the network."""

    code = "out_of_memory"
    title = "The video does not fit into the memory of the inference worker"
    action = "Give the inference worker (or its GPU) more memory, or activate a smaller model."


# --- Dependencies that are down --------------------------------------------------------------


class DependencyUnavailable(UnmaskError):
    """Something that Unmask needs does not answer."""

    code = "dependency_unavailable"
    http_status = 503
    retryable = True
    title = "A part of this installation is not available"
    action = "Try again in a moment; /readyz tells which part is down."


class ObjectStoreUnavailable(DependencyUnavailable):
    """The object store does not answer or refuses."""

    code = "object_store_unavailable"
    title = "The object store is not available"


class JobStoreUnavailable(DependencyUnavailable):
    """Redis does not answer."""

    code = "job_store_unavailable"
    title = "The job store (Redis) is not available"


class BrokerUnavailable(DependencyUnavailable):
    """The queue does not take messages."""

    code = "broker_unavailable"
    title = "The queue (Redis) is not available"


class ComputeInterrupted(DependencyUnavailable):
    """The thread that runs the network ended while clips waited for it."""

    code = "compute_interrupted"
    title = "The network stopped in the middle of its work"
    action = "Nothing: the video is judged again. If it happens often, see the worker's log."


class ScratchUnavailable(DependencyUnavailable):
    """A worker cannot keep a file while it works on it, for want of room perhaps."""

    code = "scratch_unavailable"
    title = "A worker's temporary folder takes no data"
    action = "Make room in the folder that TMPDIR names, or let it name another one."


class SandboxUnavailable(DependencyUnavailable):
    """The process that decodes videos in confinement cannot be started."""

    code = "sandbox_unavailable"
    title = "Videos cannot be decoded safely at the moment"
    action = (
        "The operator's log has the reason; on a system without seccomp, "
        "UNMASK_SYSCALL_FILTER=best-effort decodes without the system call filter."
    )


class ObjectNotFound(UnmaskError):
    """The object store holds nothing under this key."""

    code = "object_not_found"
    http_status = 404
    title = "There is no such object"
    action = "The artefact may have been deleted; submit the video again."
