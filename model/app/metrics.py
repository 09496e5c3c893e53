"""What a server has done, as Prometheus reads it."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from model.app.worker import Task


class Metrics:
    """Counts tasks; each server has its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        options = {"registry": self._registry}
        self._tasks = Counter("multifocus_tasks", "Fusions that ended, by how", ["state"], **options)
        buckets = (0.3, 1, 3, 10, 30, 100, 300, 1000)
        self._seconds = Histogram("multifocus_task_seconds", "Time of a fusion", buckets=buckets, **options)
        self._waiting = Gauge("multifocus_waiting", "Fusions that wait", **options)
        self._workplaces = Gauge("multifocus_workplaces", "Open tabs", **options)

    def finished(self, task: Task) -> None:
        """Counts a task that ended."""
        self._tasks.labels(task.state).inc()
        if task.began is not None:
            self._seconds.observe(time.monotonic() - task.began)

    def text(self, waiting: int, workplaces: int) -> bytes:
        """All of them, in Prometheus' text format."""
        self._waiting.set(waiting)
        self._workplaces.set(workplaces)
        return generate_latest(self._registry)
