"""What `--out` may do to a file system: real links, pipes, devices, modes, limits and kills."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anb_onnx._io import output as _output
from anb_onnx._io.output import OutputError, check_output, open_output, write_output

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes of POSIX")

CONTENT = b"new content\n"
ROOT = os.name == "posix" and os.geteuid() == 0


def write(path: str | os.PathLike[str], content: bytes | Callable[[], bytes] = CONTENT) -> None:
    """Write content, or what a function returns or raises while the file is open."""
    with open_output(path) as stream:
        stream.write(content if isinstance(content, bytes) else content())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make_node(path: Path, minor: int) -> Path:
    """Make a device of one's own that does what /dev/null (3) or /dev/full (7) does."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        with path.open("rb"):
            pass
    except OSError as error:
        pytest.skip(f"devices cannot be made here: {error}")
    return path


@pytest.fixture(params=[0o022, 0o077])
def mask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path, mask: int) -> None:
    write(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o666 & ~mask
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, mode: int, mask: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(mode)
    with open_output(path) as stream:
        stream.write(CONTENT)
        stream.flush()
        [part] = [p for p in tmp_path.iterdir() if p != path]
        # Whoever may not read the file cannot read it while it is written either.
        assert stat.S_IMODE(part.stat().st_mode) == 0o600 & ~mask
        assert path.read_bytes() == b"old"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == CONTENT


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_a_file_that_is_replaced_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    os.chown(path, 12345, 54321)
    path.chmod(0o640)
    write(path)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 54321, 0o640)


def test_rights_of_a_group_that_cannot_be_kept_are_not_given_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o664)
    before = path.stat()
    values = list(before)
    values[5] = before.st_gid + 1  # st_gid: of a group that this process is not in

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(os, "fchown", refuse)
    with path.open("rb") as file:
        _output._keep_owner_and_mode(file.fileno(), path, os.stat_result(values))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("chain", [["{real}"], ["sub/../b", "{real}"], ["b", "sub/c", "../{real}"]])
def test_links_are_followed_and_stay(tmp_path: Path, exists: bool, chain: list[str]) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "elsewhere").mkdir()
    real = tmp_path / "elsewhere" / "real"
    if exists:
        real.write_bytes(b"old")
        real.chmod(0o600)
    places = [tmp_path / "a", tmp_path / "b", tmp_path / "sub" / "c"][: len(chain)]
    for place, target in zip(places, chain, strict=True):
        place.symlink_to(target.format(real="elsewhere/real"))
    for _ in range(2):
        write(tmp_path / "a")
    assert all(place.is_symlink() for place in places)
    assert real.read_bytes() == CONTENT
    assert names(real.parent) == ["real"]
    assert not exists or stat.S_IMODE(real.stat().st_mode) == 0o600


def test_a_link_to_a_folder_on_the_way_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link" / "x")
    assert (tmp_path / "real" / "x").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "name", ["y" * 255, "ü" * 127, "with\nnewline", b"\xff\xfe".decode("utf-8", "surrogateescape")]
)
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    for _ in range(2):
        write(tmp_path / name)
    assert (tmp_path / name).read_bytes() == CONTENT
    assert names(tmp_path) == [name]


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = b"x" * 1_000_000  # more than a pipe holds
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write(pipe, content)
    reader.join()
    assert found == [content]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["pipe"]


def test_a_pipe_nobody_reads_is_refused_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(_output, "PIPE_SECONDS", 0.0)
    with pytest.raises(OutputError, match="nobody reads from this pipe"):
        write(tmp_path / "pipe")


def test_a_reader_that_leaves_is_a_broken_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def leave() -> bytes:
        os.close(reader)
        return CONTENT

    with pytest.raises(BrokenPipeError):
        write(pipe, leave)


@pytest.mark.parametrize("linked", [False, True])
def test_a_device_is_written_through(tmp_path: Path, linked: bool) -> None:
    node = make_node(tmp_path / "null", 3)
    if linked:
        (tmp_path / "link").symlink_to("null")
    write(tmp_path / ("link" if linked else "null"))
    assert stat.S_ISCHR(node.stat().st_mode)
    assert names(tmp_path) == ["link", "null"][not linked :]


def test_a_full_device_is_an_error(tmp_path: Path) -> None:
    node = make_node(tmp_path / "full", 7)
    with pytest.raises(OutputError, match=r"full \(No space left on device\)"):
        write(node)
    assert stat.S_ISCHR(node.stat().st_mode)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize(
    "folder", ["/proc/self/fd", "/dev/fd", "/proc/{pid}/fd", "/proc/thread-self/fd"]
)
def test_descriptors_of_this_process_are_written_where_they_stand(
    tmp_path: Path, folder: str
) -> None:
    reader, writer = os.pipe()
    file = tmp_path / "file"
    with file.open("ab") as opened:
        opened.write(b"before\n")
        opened.flush()
        for descriptor in (writer, opened.fileno()):
            link = tmp_path / "link"
            link.symlink_to(f"{folder.format(pid=os.getpid())}/{descriptor}")
            write(link)
            assert link.is_symlink()
            link.unlink()
        opened.write(b"after\n")
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        assert stream.read() == CONTENT
    # Replaced, the file would have lost what the shell's redirection wrote before and after.
    assert file.read_bytes() == b"before\n" + CONTENT + b"after\n"
    assert names(tmp_path) == ["file"]


def test_a_closed_descriptor_is_an_error(tmp_path: Path) -> None:
    if not Path("/dev/fd").is_dir():
        pytest.skip("needs /dev/fd")
    with pytest.raises(OutputError, match="Bad file descriptor"):
        write("/dev/fd/987")
    for name in ("9" * 30, "١"):
        with pytest.raises(OutputError):
            write(f"/dev/fd/{name}")
    if Path("/proc/self/fd").is_dir():
        with pytest.raises(OutputError, match="a descriptor of another process"):
            write(f"/proc/{os.getppid()}/fd/1")


def test_folders_sockets_and_loops_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for name, reason in [
            ("folder", "it is a folder"),
            ("folder/", "it is the name of a folder"),
            ("none/", "it is the name of a folder"),
            ("", "it is a folder"),
            ("folder/..", "it is a folder"),
            ("socket", "it is a socket"),
            ("loop", "Too many levels of symbolic links"),
            ("none/x", "No such file or directory"),
            ("nul\0x", "null byte"),
            ("half\ud800", "surrogates not allowed"),
        ]:
            for function in (write, lambda name: write_output(name, CONTENT), check_output):
                if name == "none/x" and function is not write:
                    continue
                with pytest.raises(OutputError, match=reason):
                    function(name)
    assert names(tmp_path) == ["folder", "loop", "socket"]


def test_outputs_that_are_read_again_are_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    make_node(tmp_path / "null", 3)
    (tmp_path / "stdout").symlink_to("/dev/stdout")
    for name in names(tmp_path):
        with pytest.raises(OutputError, match=rf"cannot write .*{name} \(it is no"):
            write_output(tmp_path / name, CONTENT)
        with pytest.raises(OutputError, match=rf"cannot write .*{name} \(it is no"):
            check_output(tmp_path / name)
    assert names(tmp_path) == ["null", "pipe", "stdout"]


def test_folders_are_made_when_it_is_written_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x"
    check_output(path)
    assert names(tmp_path) == []
    write_output(path, CONTENT)
    assert path.read_bytes() == CONTENT
    with pytest.raises(OutputError, match="Not a directory"):
        check_output(path / "c" / "d")
    with pytest.raises(OutputError, match=r"File exists|Not a directory"):
        write_output(path / "c" / "d", CONTENT)


def as_user(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code as a user whom permissions stop."""
    script = (
        "import os, sys\n"
        "from anb_onnx._io.output import check_output, write_output\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"os.chdir({str(folder)!r})\n{code}"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.parametrize("function", ["check_output('x')", "write_output('x', b'new')"])
def test_what_is_protected_stays(what: str, function: str) -> None:
    # Not in pytest's folder, which is closed to the other user.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "x"
        path.write_bytes(b"old")
        path.chmod(0o444 if what == "file" else 0o666)
        folder.chmod(0o777 if what == "file" else 0o555)
        done = as_user(function, folder)
        folder.chmod(0o755)
        assert "OutputError: cannot write x (Permission denied)" in done.stderr
        assert path.read_bytes() == b"old"
        assert names(folder) == ["x"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OutputError, match="File too large"):
            write(path, b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError(errno.ENOSPC, "full")])
def test_an_error_while_it_is_written_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail() -> bytes:
        assert len(names(tmp_path)) == 2
        raise error

    with pytest.raises((KeyboardInterrupt, RuntimeError, OutputError)):
        write(path, fail)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_another_hard_link_keeps_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    os.link(tmp_path / "x", tmp_path / "other")
    write(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert (tmp_path / "other").read_bytes() == b"old"


def test_what_a_killed_writer_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    code = (
        "import os, signal; from anb_onnx._io.output import open_output\n"
        f"with open_output({str(path)!r}) as stream:\n"
        "    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code])
    assert done.returncode == -signal.SIGKILL
    [left] = names(tmp_path)
    assert left.startswith(".x.")
    assert left.endswith(".tmp")
    (tmp_path / ".x.y.tmp").write_text("not ours")
    (tmp_path / ".y.01234567.tmp").write_text("of another file")
    with open_output(path) as first:  # is being written: nobody may remove it
        first.write(b"first")
        write(path)
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == [".x.y.tmp", ".y.01234567.tmp", "x"]


def test_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    contents = [bytes([65 + i]) * 50_000 for i in range(8)]
    errors: list[BaseException] = []

    def work(content: bytes) -> None:
        try:
            for _ in range(20):
                write(path, content)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert path.read_bytes() in contents
    assert names(tmp_path) == ["x"]
