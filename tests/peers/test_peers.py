"""What others test in IPython ends alike with the extension in every shell."""

from __future__ import annotations

import pytest
from suites import CONTROL, SHORT, Bench, Suite, compared, differences, faults


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """An environment for the suites."""
    return Bench(tmp_path_factory.mktemp("peers"))


@pytest.mark.parametrize("suite", SHORT, ids=lambda suite: suite.peer)
def test_every_test_of_a_peer_ends_as_without_the_extension(bench: Bench, suite: Suite) -> None:
    without, loaded, differ = compared(bench, suite)
    assert differ == []
    assert faults(suite, without, loaded) == []


def test_the_comparison_can_fail(bench: Bench) -> None:
    """Observing by wrapping is what this would find: ``$name`` in a magic is the caller's."""
    naively = differences(bench.run(CONTROL, "without"), bench.run(CONTROL, "naively"))
    assert any("var_expand" in test for test in naively)
