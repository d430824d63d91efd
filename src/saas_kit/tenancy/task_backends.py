"""Django's tasks, run in the scope that they were enqueued in."""

from __future__ import annotations

from typing import Any

from saas_kit.tenancy.background import KEY, carrying, to_carry


class ScopeCarrying:
    """
    Give a task backend tasks that carry the scope, the actor and the request, and run with them.

    Put it before a backend's class, and name the result in ``TASKS``. What is carried is stored with the task's keyword
    arguments, as ``saas_kit``, and taken out before its function is called.
    """

    task_class: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = {
            "__module__": cls.__module__,
            "__qualname__": f"{cls.__qualname__}.task_class",
            "__slots__": (),
        }
        cls.task_class = type("task_class", (_Carrying, cls.task_class), names)

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Queue up a task, with what it carries."""
        return super().enqueue(task, args, _with_facts(task, kwargs))  # type: ignore[misc]

    async def aenqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Queue up a task, with what it carries."""
        return await super().aenqueue(task, args, _with_facts(task, kwargs))  # type: ignore[misc]


def _with_facts(task: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    # A task that was declared for another backend would hand the keyword to its function.
    return {**kwargs, KEY: to_carry()} if isinstance(task, _Carrying) else kwargs


class _Carrying:
    """A task that takes out what it carries. Without it, as where it is called directly, it runs as a function."""

    __slots__ = ()

    module_path: str

    def call(self, *args: Any, **kwargs: Any) -> Any:
        if KEY not in kwargs:
            return super().call(*args, **kwargs)  # type: ignore[misc]
        with carrying(kwargs.pop(KEY), name=self.module_path):
            return super().call(*args, **kwargs)  # type: ignore[misc]

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        if KEY not in kwargs:
            return await super().acall(*args, **kwargs)  # type: ignore[misc]
        with carrying(kwargs.pop(KEY), name=self.module_path):
            return await super().acall(*args, **kwargs)  # type: ignore[misc]
