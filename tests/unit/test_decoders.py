"""No two threads ever use a struct of msgspec for the first time at once: the process would be gone, with what it did.

msgspec works out the fields of a struct at its first use, and shows the others what it has so far. So decoders are made
when modules are imported, which one thread does, or one after the other.
"""

import ast
import subprocess
import sys
from pathlib import Path

import alertsync

ROOM = Path(alertsync.__file__).parent
_RACE = """
import sys, threading
import msgspec
from alertsync.clients import wire

sys.setswitchinterval(1e-6)
for number in range(150):
    inner = msgspec.defstruct(f"Inner{number}", [(f"x{field}", "dict[str, int]") for field in range(6)], module=__name__)
    globals()[inner.__name__] = inner
    fields = [("a", inner), ("b", "list[dict[str, str]]"), ("c", int), ("d", "str | None"), ("e", "dict[str, list[int]]")]
    shape = msgspec.defstruct(f"Shape{number}", fields, module=__name__)
    body = msgspec.json.encode({"a": {f"x{field}": {} for field in range(6)}, "b": [], "c": 1, "d": None, "e": {}})
    gate = threading.Barrier(6)

    def go():
        gate.wait()
        wire._decoder(shape).decode(body)

    threads = [threading.Thread(target=go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_that_read_a_shape_of_the_wire_for_the_first_time_wait_for_each_other() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RACE], cwd=ROOM.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_other_decoder_of_a_struct_is_made_at_import() -> None:
    found = [
        f"{file.relative_to(ROOM)}:{call.lineno}"
        for file in ROOM.rglob("*.py")
        if "simulator" not in file.parts
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef) and function.name != "_decoder"
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and _names_a_struct(call)
    ]
    assert found == []


def _names_a_struct(call: ast.Call) -> bool:
    """Tell whether a call makes msgspec work out a type that is no list or mapping of what is left as it is."""
    asked = ast.unparse(call.func)
    shapes = [ast.unparse(one.value) for one in call.keywords if one.arg == "type"]
    shapes += [ast.unparse(one) for one in call.args] if asked == "msgspec.json.Decoder" else []
    if asked not in {"msgspec.json.Decoder", "msgspec.json.decode"}:
        return False
    return any("msgspec.Raw" not in shape and shape != "Key" for shape in shapes)
