"""The benchmarks' own sums, and that their pages have a place for all that is measured."""

from itertools import pairwise

import pytest

from benchmarks import page, report
from benchmarks.beside.environments import on_cpus
from benchmarks.listeners import Heard, dry_seconds, summary
from benchmarks.long import recording


@pytest.mark.parametrize(
    ("arrivals", "dry"),
    [
        ([(0.5, 1.0)], 0.0),
        ([(0.5, 1.0), (1.4, 1.0)], 0.0),
        # The first lasts until 1.5, and the second comes half a second later.
        ([(0.5, 1.0), (2.0, 1.0)], 0.5),
        # What lies ready is played first: 2 s of it, from 0.5 on.
        ([(0.5, 1.0), (0.6, 1.0), (2.4, 0.5)], 0.0),
        # Twice without sound.
        ([(0.0, 1.0), (1.5, 1.0), (3.0, 1.0)], 1.0),
    ],
)
def test_a_listener_lacks_sound_while_nothing_is_left_to_play(
    arrivals: list[tuple[float, float]], dry: float
) -> None:
    assert dry_seconds(arrivals) == pytest.approx(dry)


def test_the_dry_share_is_of_the_time_in_which_somebody_listens() -> None:
    figures = summary([Heard(1.0, 9.0, 1.0), Heard(3.0, 10.0, 0.0), None], took=10.0)
    assert figures["dry_share"] == pytest.approx(1 / 20)
    assert (figures["first_ms"], figures["first_worst_ms"]) == (2000, 3000)
    assert (figures["ran_dry"], figures["refused"]) == (0.5, 1)


def test_every_part_of_the_page_has_its_rows() -> None:
    assert report.ROWS.keys() == page.PARTS.keys()
    assert report.AIMS.keys() <= page.PARTS.keys()


def test_a_long_recording_says_the_clips_in_its_time() -> None:
    content, said = recording(0.5)
    assert content.startswith(b"OggS")
    assert said == recording(0.5)[1], "it is the same in each run"
    assert all(one != other for one, other in pairwise(said))


def test_a_peer_gets_the_packages_of_machines_without_cuda() -> None:
    marked = (
        "onnxruntime==1.24.4 ; platform_machine != 'x86_64'\nhf-xet==1.1.5 ; platform_machine == 'x86_64'\n"
    )
    assert on_cpus(marked) == "onnxruntime==1.24.4\nhf-xet==1.1.5 ; platform_machine == 'x86_64'\n"
