"""JSON of our own: the same bytes and values as those of `json`, whatever became of that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import archived

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.process.plain_json import decode, decoder, encode, encoder

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_it_says_what_json_says(value: object) -> None:
    assert encode(value) == json.dumps(value)
    compact = json.dumps(value, separators=(",", ":"), sort_keys=True)
    assert encoder(",", ":", sort_keys=True)(value) == compact
    assert decode(f"\n {compact} \t") == value
    assert decoder(dict)(compact) == value


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "{} {}", "1 2", "nul", '"\n"', "\ufeff{}"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json.loads(text)
    with pytest.raises(ValueError, match=r".+"):
        decode(text)


def test_what_is_no_plain_value_is_refused() -> None:
    with pytest.raises(TypeError):
        encode({"path": Path()})


HOSTILE = """
import json, json.decoder, json.encoder, json.scanner, os, sys, types
from pathlib import Path
def refuse(*_, **__):
    print("run")
    raise RuntimeError
for module in (json, json.decoder, json.encoder, json.scanner):
    for name in ("loads", "dumps", "c_make_encoder", "_make_iterencode", "make_scanner"):
        if hasattr(module, name):
            setattr(module, name, refuse)
for made in (json.JSONDecoder, json.JSONEncoder):
    for name in ("__init__", "decode", "raw_decode", "encode", "iterencode", "default"):
        if name in vars(made):
            setattr(made, name, refuse)
sys.modules["json"] = types.ModuleType("json")
from dev_analytics import get_analytics
from dev_analytics.delivery import bounds
from dev_analytics.delivery.launcher import MODULE
from dev_analytics.delivery.ledger import add_to_ledger, read_ledger
from dev_analytics.delivery.pending import Change
from dev_analytics.process import detached
from dev_analytics.consent.files import consent_of, consent_bytes
from dev_analytics.consent.scope import Scope
analytics = get_analytics()
analytics.event("command_run", command="status")
folder = Path(sys.argv[1])
for _ in range(2):
    add_to_ledger(folder, Change(dropped={"invalid": 2}))
answer = (folder / "consent/consent.json").read_bytes()
spool = b"".join(file.read_bytes() for file in (folder / "spool").glob("*.jsonl"))
print(spool.count(b'"command run"'), *read_ledger(folder).dropped.values())
print(consent_bytes(consent_of(answer)) == answer, len(Scope(1, {"acme: made": 1}).digest))
analytics.pipeline.sink.rest()
detached.spawn(MODULE, {"data": str(folder), "max_days": 30.0})
"""


def test_whatever_json_was_made_all_is_recorded_and_delivered(
    data: Path, until: Callable[..., None]
) -> None:
    """Some put a faster library, which has not all names of it, in the place of `json`."""
    ConsentStore(data).agree(NOTICE, date(2026, 11, 1), {}, ["archive"])
    done = subprocess.run(
        [sys.executable, "-P", "-c", HOSTILE, str(data)], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("1 4\nTrue 64\n", "")
    until(lambda: archived(data) == ["status"])


DAMAGED = """
import json.decoder, sys, types
from pathlib import Path
if sys.argv[2] == "missing":
    sys.modules["json.decoder"] = None
elif sys.argv[2] == "bare":
    sys.modules["json.decoder"] = types.ModuleType("json.decoder")
else:
    json.decoder.JSONDecodeError = type("OfTheUser", (Exception,), {})
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.ledger import read_ledger
store = ConsentStore(Path(sys.argv[1]))
print(store.current().unreadable, read_ledger(store.data).delivered)
print(store.opt_out() or "opted out", store.current().opted_out)
"""


@pytest.mark.parametrize("decoder", ["missing", "bare", "another"])
def test_whatever_makes_errors_of_json_a_damaged_file_says_nothing_and_a_no_holds(
    data: Path, decoder: str
) -> None:
    ConsentStore(data).agree(NOTICE, date(2026, 11, 1), {}, ["archive"])
    spooled = data / "spool/0123456789abcdef-archive.jsonl"
    spooled.parent.mkdir()
    for file in (data / "consent/consent.json", data / "ledger.json", spooled):
        file.write_text('{"answer": "ye')
    done = subprocess.run(
        [sys.executable, "-P", "-c", DAMAGED, str(data), decoder], capture_output=True, text=True
    )
    expected = "consent.json is damaged 0\nopted out True\n"
    assert (done.stdout, done.stderr) == (expected, "")
    assert [file.name for file in (data / "consent").iterdir()] == ["opted-out"]
    assert not spooled.exists()
