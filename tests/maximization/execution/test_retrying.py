"""What is made again and what is given up: one worker after the other, counted by hand."""

from collections.abc import Callable

from cnnviz.maximization.execution import Handing, Part
from cnnviz.maximization.execution.retrying import Retrying
from tests.maximization.execution.test_handing import Some, layers


class Course:
    """All parts of a queue, one at a time. lost, failed: whether a part ends its worker, or is an error."""

    def __init__(
        self,
        parts: list[Some] | list[Part],
        lost: Callable[[Some], bool] = lambda part: False,
        failed: Callable[[Some], bool] = lambda part: False,
    ) -> None:
        self.said, self.order = list[str](), list[str]()
        queue = Retrying(Handing(parts), self.said.append)
        while (part := queue.next(worker := f"worker {len(self.order)}", 1)) is not None:
            if lost(part):
                queue.missed(part, "its worker ended", worker, lost=True)
            elif failed(part):
                queue.missed(part, "it is odd", worker)
            else:
                queue.made(part)
            queue.gone(worker)
            self.order.append(part.layer)
        self.failures = [str(one) for one in queue.failures()]
        self.retries = queue.retries


def test_a_layer_that_ends_its_workers_is_tried_last_and_soon_given_up() -> None:
    course = Course(layers(each=24, deadly=72, a=48, b=24), lost=lambda part: part.layer == "deadly")
    assert course.order == ["deadly", "a", "a", "b", *["deadly"] * 8]  # a part three times, three filters twice
    assert course.failures == ["deadly 0, 1, 2, … (72 filters): its worker ended"]
    assert course.said == [
        "deadly 0, 1, 2, … (24 filters): its worker ended (worker 0); again after all else",
        "deadly 0, 1, 2, … (24 filters): its worker ended (worker 5); each filter alone after all else",
    ]


def test_filters_that_end_their_workers_cost_no_other_of_the_layer() -> None:
    course = Course(layers(each=8, a=24), lost=lambda part: bool({3, 5, 17} & set(part.filters)))
    assert course.failures == ["a 3, 5, 17: its worker ended"]
    assert len(course.order) == (3 + 6 + 2 * 2) + 1 + (3 + 7 + 2)
    assert course.retries == (3 + 2) + (3 + 1)


def test_a_layer_of_errors_is_said_in_three_lines() -> None:
    course = Course(layers(each=12, a=24, b=2), failed=lambda part: part.layer == "a")
    assert course.failures == ["a 0, 1, 2, … (24 filters): it is odd"]
    assert [line.rpartition("; ")[2] for line in course.said] == [
        "again after all else",
        "each filter alone after all else",
    ]
    assert course.retries == 2 * 3 + 24


def test_an_objective_that_ends_its_workers_costs_no_other() -> None:
    parts = [Part("", (), 1, 1.0, objective=name) for name in ("x", "y", "z", "deadly")]
    course = Course(parts, lost=lambda part: "deadly" in str(part))
    assert course.failures == ["objective deadly: its worker ended"]
    assert len(course.order) == 3 + 2
