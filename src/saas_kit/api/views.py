"""The bases of every view: one order of answers, one shape of errors, permissions that must be declared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import transaction
from rest_framework import exceptions, mixins, status
from rest_framework.decorators import action
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from saas_kit.api.exceptions import PreconditionFailed, handle_exception
from saas_kit.api.filters import FilterBackend, OrderingFilter, SearchFilter
from saas_kit.api.pagination import CursorPagination
from saas_kit.api.parsers import JSONParser
from saas_kit.api.permissions import DeclaredPermission, log_denial
from saas_kit.api.schema import ApiSchema
from saas_kit.core.context import without_scope

_after_authentication: list[Callable[[Request], None]] = []


def run_after_authentication(function: Callable[[Request], None]) -> None:
    """Let a function see every request of the API once its caller is known; what it raises is the answer."""
    if function not in _after_authentication:
        _after_authentication.append(function)


class ContentNegotiation(DefaultContentNegotiation):
    """Negotiates by ``Accept`` alone; a ``format`` parameter would be one more thing to secure."""

    def filter_renderers(self, renderers: Any, format: str) -> Any:  # noqa: A002 - DRF's own name
        return renderers


class ApiView(APIView):
    """
    A view of the API; viewsets share all of it.

    ``required_permissions`` declares for each action (of a viewset) or method (of a view, in lower case) the
    permission that it needs, or ``Access.AUTHENTICATED`` or ``Access.PUBLIC``. ``update`` also covers
    ``partial_update``. What is not declared is refused.

    Answers come in a fixed order: 405, 401, 404 for what the caller may not see, 403, then the input's 400.
    """

    required_permissions: ClassVar[Mapping[str, str]] = {}
    tags: ClassVar[list[str]] = []

    renderer_classes = (JSONRenderer,)
    parser_classes = (JSONParser,)
    permission_classes = (DeclaredPermission,)
    content_negotiation_class = ContentNegotiation
    metadata_class = None
    http_method_names: Sequence[str] = ("get", "post", "put", "patch", "delete", "head")
    schema = ApiSchema()

    @property
    def action_name(self) -> str:
        """The viewset's action, or the method of a plain view."""
        if getattr(self, "action_map", None):
            return getattr(self, "action", None) or ""
        return str(self.request.method).lower().replace("head", "get")

    @property
    def actor(self) -> Any:
        """The caller, as services take who acts."""
        return self.request.user

    def get_required_permission(self) -> str | None:
        """Return what the present action needs; None where nothing is declared."""
        name = "update" if self.action_name == "partial_update" else self.action_name
        return self.required_permissions.get(name)

    def hold(self, instance: Any) -> None:
        """Hold an object until the transaction ends, in the order in which the services lock."""
        type(instance)._base_manager.select_for_update(of=("self",)).filter(pk=instance.pk).exists()

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with (
            without_scope()
        ):  # what the caller may touch is known once the caller is, and by nobody after the answer
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        known = getattr(self, "action_map", None)
        method = str(request.method).lower()
        if method not in self.http_method_names or not (method in known if known else hasattr(self, method)):
            raise exceptions.MethodNotAllowed(str(request.method))
        super().initial(request, *args, **kwargs)
        for function in _after_authentication:
            function(request)

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return handle_exception

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code in (status.HTTP_403_FORBIDDEN, status.HTTP_404_NOT_FOUND):
            log_denial(request, self, response.status_code)
        # what one person may see is nobody else's to keep (RFC 9111, section 5.2.2)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class GenericApiView(ApiView, GenericAPIView):  # type: ignore[type-arg]
    """A view of the API with a serializer."""


class CreateModelMixin:
    """Creates an object."""

    def create(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create one."""
        serializer = self.get_input_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.perform_create(serializer)
        return with_etag(
            Response(self.get_serializer(serializer.instance).data, status=status.HTTP_201_CREATED)
        )

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        """Save the new object; a viewset that has more to say to the service overrides it."""
        serializer.save(actor=self.actor)  # type: ignore[attr-defined]


class RetrieveModelMixin(mixins.RetrieveModelMixin):
    """Answers one object with its ``ETag``."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return with_etag(super().retrieve(request, *args, **kwargs))


class UpdateModelMixin:
    """Replaces (PUT) and changes (PATCH) an object; ``If-Match`` guards against lost updates."""

    def update(self: Any, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        """Replace one."""
        with _matching(self, request):
            serializer = self.get_input_serializer(self.get_object(), data=request.data, partial=partial)
            serializer.is_valid(raise_exception=True)
            self.perform_update(serializer)
            return with_etag(Response(self.get_serializer(serializer.instance).data))

    def partial_update(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change one."""
        return self.update(request, *args, partial=True, **kwargs)  # type: ignore[no-any-return]

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        """Save the changed object; a viewset that has more to say to the service overrides it."""
        serializer.save(actor=self.actor)  # type: ignore[attr-defined]


class DestroyModelMixin:
    """Deletes an object; ``If-Match`` guards against deleting what somebody has just changed."""

    def destroy(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete one."""
        with _matching(self, request):
            self.perform_destroy(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def perform_destroy(self, instance: Any) -> None:
        """Delete the object; a viewset whose model has a service for it overrides this."""
        instance.delete()


class RestoreModelMixin:
    """Brings a deleted object back; the viewset says how in ``perform_restore()``."""

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Bring back what was deleted, with exactly what went along with it."""
        instance = self.perform_restore(self.get_object())  # type: ignore[attr-defined]
        return with_etag(Response(self.get_serializer(instance).data))  # type: ignore[attr-defined]

    def perform_restore(self, instance: Any) -> Any:
        """Bring the object back, and return it; a viewset whose model has a service for it overrides this."""
        instance.restore()
        return instance


class ApiViewSet(ApiView, GenericViewSet):  # type: ignore[type-arg]
    """
    A collection of the API.

    ``get_queryset()`` yields what the caller may see. ``search_fields`` and ``ordering_fields`` are what
    ``?search=`` and ``?ordering=`` know, ``filterset_class`` all other filters.
    """

    pagination_class = CursorPagination
    filter_backends = (FilterBackend, SearchFilter, OrderingFilter)
    search_fields: ClassVar[tuple[str, ...]] = ()
    ordering_fields: ClassVar[tuple[str, ...]] = ("created_at",)
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    lookup_value_converter = "uuid"
    input_serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]] | None]] = {}
    """For an action whose body has another shape than its answer, the serializer of the body; None of no body."""

    def get_input_serializer(self, *args: Any, **kwargs: Any) -> BaseSerializer[Any]:
        """Return the serializer of the present action's body."""
        name = "update" if self.action_name == "partial_update" else self.action_name
        serializer_class = self.input_serializer_classes.get(name) or self.get_serializer_class()
        return serializer_class(*args, context=self.get_serializer_context(), **kwargs)

    def find_object(self) -> Any:
        """Return the object of the path among those that the caller may see; None where it is not there."""
        # filters are for lists; a parameter must not make an object disappear
        queryset = self.get_queryset()
        return queryset.filter(pk=self.kwargs[self.lookup_url_kwarg or self.lookup_field]).first()

    def get_object(self) -> Any:
        instance = self.find_object()
        if instance is None:
            raise exceptions.NotFound
        self.check_object_permissions(self.request, instance)
        return instance


class ModelViewSet(
    CreateModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
    DestroyModelMixin,
    mixins.ListModelMixin,
    ApiViewSet,
):
    """A collection that can be listed, read, added to, changed and deleted from."""


def etag_of(data: Any) -> str:
    """Return the strong validator of a representation (RFC 9110, section 8.8.3)."""
    return f'"{hashlib.sha256(JSONRenderer().render(data)).hexdigest()[:32]}"'


def with_etag(response: Response) -> Response:
    """Give a successful answer the validator of what it represents."""
    if status.is_success(response.status_code):
        response.headers["ETag"] = etag_of(response.data)
    return response


@contextmanager
def _matching(view: Any, request: Request) -> Iterator[None]:
    """
    Run the block if the object is still the version that ``If-Match`` names, and hold it meanwhile.

    Raises:
        PreconditionFailed: It was changed since.
    """
    if "If-Match" not in request.headers:
        yield
        return
    with transaction.atomic():
        view.hold(view.get_object())
        wanted = {tag.strip() for tag in request.headers["If-Match"].split(",")}
        if "*" not in wanted and etag_of(view.get_serializer(view.get_object()).data) not in wanted:
            raise PreconditionFailed
        yield
