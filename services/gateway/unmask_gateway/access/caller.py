"""Who sends a request, and what they may see and do."""

from dataclasses import dataclass
from typing import Final

from unmask_gateway.access.errors import MissingScope
from unmask_gateway.access.keys import Scope
from unmask_shared.videos import VideoRecord


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The sender of a request.

    Attributes:
        key_id: Id of the key, the owner of the videos that are sent in with it; None where no key
            is asked for.
        scopes: What the key allows.
    """

    key_id: str | None
    scopes: frozenset[Scope]

    @property
    def sees_all(self) -> bool:
        """Whether the videos of all owners are shown."""
        return self.key_id is None or Scope.ADMIN in self.scopes

    @property
    def is_limited(self) -> bool:
        """Whether rate limits and quotas are held against the caller."""
        return self.key_id is not None and Scope.ADMIN not in self.scopes

    def may(self, scope: Scope) -> bool:
        """Whether the caller may do what this scope allows."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def need(self, scope: Scope) -> None:
        """Return if the caller has this scope.

        Raises:
            MissingScope: The key does not allow it.
        """
        if not self.may(scope):
            had = ", ".join(f"`{scope}`" for scope in sorted(self.scopes))
            raise MissingScope(f"This needs the scope `{scope}`; the key has {had}.")

    def may_see(self, record: VideoRecord) -> bool:
        """Whether this video exists for the caller."""
        return self.sees_all or record.owner == self.key_id


EVERYBODY: Final = Caller(key_id=None, scopes=frozenset(Scope))
"""The caller where no key is asked for."""
