"""Models: which there are, what their cards say, and which one judges."""

import logging
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.access.gate import AdminCaller
from unmask_gateway.model_catalogue import ModelCatalogue, PublishedCard
from unmask_gateway.model_choice import ModelChoice
from unmask_gateway.model_schemas import (
    ACTIVE_EXAMPLE,
    DETAILS_EXAMPLE,
    ENTRY_EXAMPLE,
    ActiveVersion,
    ModelDetails,
    ModelEntry,
    ModelList,
)
from unmask_gateway.problems import document_errors
from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import (
    DamagedModel,
    InvalidModelRef,
    InvalidRequest,
    ModelNotFound,
    ModelRefused,
    NothingToRollBack,
    ObjectNotFound,
    ObjectStoreUnavailable,
    UnknownModel,
    UnmaskError,
)
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.videos import ModelRef

log = logging.getLogger(__name__)

_NO_STORE: Final = {"Cache-Control": "no-store"}
# What was published never changes.
_UNCHANGING: Final = {"Cache-Control": "private, max-age=86400, immutable"}

_NAME: Final = "^[a-z0-9][a-z0-9._-]{0,127}$"
_VERSION: Final = "^[0-9A-Za-z][0-9A-Za-z.+_-]{0,127}$"

ModelName = Annotated[
    str,
    Path(
        description="Name of a model.",
        examples=["resnet-lstm"],
        json_schema_extra={"pattern": _NAME},
    ),
]
ModelVersion = Annotated[
    str,
    Path(
        description="Version of a checkpoint.",
        examples=["0.2.0"],
        json_schema_extra={"pattern": _VERSION},
    ),
]

Judges = Annotated[
    FaceMode,
    Query(description="What the version judges: faces, or whole pictures.", examples=["faces"]),
]


class NewActivation(BaseModel):
    """The version that is to judge from now on."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "resnet-lstm", "version": "0.3.0"}},
    )

    name: Annotated[str, Field(pattern=_NAME)]
    version: Annotated[str, Field(pattern=_VERSION)]
    despite_refusal: Annotated[
        bool,
        Field(
            strict=True,
            description="Let the workers try again what they have refused, for the operator who "
            "has put the cause right.",
        ),
    ] = False


def make_models_router(
    *, registry: ModelRegistry, catalogue: ModelCatalogue, choice: ModelChoice
) -> APIRouter:
    """Make the routes under `/models`."""
    router = APIRouter(prefix="/models", tags=["models"])

    @router.get(
        "",
        summary="List the models",
        responses={
            200: {"content": {"application/json": {"example": {"models": [ENTRY_EXAMPLE]}}}},
            **document_errors(ObjectStoreUnavailable, UnmaskError),
        },
    )
    def list_models(response: Response) -> ModelList:
        """All published versions, with what their cards say in short."""
        response.headers.update(_NO_STORE)
        entries = []
        for found in catalogue.all():
            if isinstance(found, PublishedCard):
                judging = choice.judging(found.summary.face_mode)
                entries.append(ModelEntry.of(found, judging, choice.refusal(found.model)))
            else:
                model, error = found
                entries.append(ModelEntry.damaged(model, choice.judging(), error))
        return ModelList(models=entries)

    @router.get(
        "/active",
        summary="Ask which model judges",
        responses=_active_responses(InvalidRequest, ObjectStoreUnavailable, UnmaskError),
    )
    def get_active(response: Response, face_mode: Judges = "faces") -> ActiveVersion:
        """What judges the videos that are sent now, unless they choose another model.

        Whole pictures, which nobody activated a version for, are given to the one for faces: their
        verdict is `inconclusive` with the reason `no_full_frame_model`.
        """
        response.headers.update(_NO_STORE)
        return ActiveVersion.of(choice.judging(face_mode))

    @router.put(
        "/active",
        summary="Activate a model",
        responses=_active_responses(
            UnknownModel, ModelRefused, InvalidRequest, ObjectStoreUnavailable, UnmaskError
        ),
    )
    def activate_model(
        caller: AdminCaller, new: Annotated[NewActivation, Body()], response: Response
    ) -> ActiveVersion:
        """Let a published version judge the videos that are sent from now on.

        One that learned to judge whole pictures judges those with `face_mode=full_frame`, others
        all the others; what is active for the rest stays so. All of its files are compared with
        what was published. The workers load it without a restart; one that they refuse judges
        nothing, and what judged before goes on. Videos that were sent before are judged by the
        version that they were accepted with.
        """
        response.headers.update(_NO_STORE)
        model = ModelRef(name=new.name, version=new.version)
        choice.check(model, despite_refusal=new.despite_refusal)
        try:
            face_mode = catalogue.find(model.name, model.version).summary.face_mode
            registry.activate(model.name, model.version, face_mode=face_mode)
        except DamagedModel as error:
            raise ModelRefused(error.detail) from error
        log.info("%s was activated", model, extra={"key_id": caller.key_id})
        choice.forget()
        return ActiveVersion.of(choice.judging(face_mode))

    @router.delete(
        "/active",
        summary="Undo the last activation",
        responses=_active_responses(
            NothingToRollBack,
            ModelRefused,
            ModelNotFound,
            InvalidRequest,
            ObjectStoreUnavailable,
            UnmaskError,
        ),
    )
    def undo_activation(
        caller: AdminCaller, response: Response, face_mode: Judges = "faces"
    ) -> ActiveVersion:
        """Go back to what was active before; before the first activation the built-in one judges.

        Sent twice, it undoes two activations.
        """
        response.headers.update(_NO_STORE)
        try:
            active = registry.rollback(face_mode)
        except DamagedModel as error:
            raise ModelRefused(error.detail) from error
        log.info(
            "%s is active again",
            active or "the built-in checkpoint",
            extra={"key_id": caller.key_id},
        )
        choice.forget()
        return ActiveVersion.of(choice.judging(face_mode))

    @router.get(
        "/{name}/{version}",
        summary="Read the card of a model",
        responses={
            200: {"content": {"application/json": {"example": DETAILS_EXAMPLE}}},
            **_version_errors(),
        },
    )
    def get_model(name: ModelName, version: ModelVersion, response: Response) -> ModelDetails:
        """Data, measurements, intended use, limits and licence of a version."""
        response.headers.update(_NO_STORE)
        found = catalogue.find(name, version)
        judging = choice.judging(found.summary.face_mode)
        return ModelDetails.of(found, judging, choice.refusal(found.model))

    @router.get(
        "/{name}/{version}/figures/{file:path}",
        summary="A picture of a model's card",
        response_class=Response,
        responses={
            200: {
                "content": {
                    media_type: {"schema": {"type": "string", "format": "binary"}}
                    for media_type in ("image/png", "image/jpeg")
                }
            },
            **_version_errors(ObjectNotFound),
        },
    )
    def get_figure(
        name: ModelName,
        version: ModelVersion,
        file: Annotated[
            str, Path(description="One of the `figures` of the model.", examples=["loss.png"])
        ],
    ) -> Response:
        """A diagram of training or evaluation: only those that the card names."""
        content, media_type = catalogue.figure(name, version, file)
        return Response(content, media_type=media_type, headers=_UNCHANGING)

    return router


def _active_responses(*errors: type[UnmaskError]) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"content": {"application/json": {"example": ACTIVE_EXAMPLE}}},
        **document_errors(*errors),
    }


def _version_errors(*more: type[UnmaskError]) -> dict[int | str, dict[str, Any]]:
    return document_errors(
        ModelNotFound,
        InvalidModelRef,
        InvalidRequest,
        DamagedModel,
        ObjectStoreUnavailable,
        UnmaskError,
        *more,
    )
