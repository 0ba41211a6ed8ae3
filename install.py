"""`python install.py --no-deps -r requirements.txt`: pip install, by uv, into the environment of this Python.

With `--into .venv` before the rest: into a new one of that name. One at a time: a second one says so and stops.

By uv, which takes a fraction of pip's time, from the indexes that pip is configured with; by pip where there is no uv
to be had or it fails, so that the error that one sees is pip's. Runs in an empty environment: no imports but Python's.
"""

import ast
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

UV = "uv==0.13.9"  # what is fetched where there is none
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# What uv calls the settings of pip that say where packages come from. uv reads none of pip's files and variables.
NAMES = {
    "index-url": "UV_INDEX_URL",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "no-index": "UV_NO_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}


def main(words: list[str]) -> int:
    if words[:1] == ["--into"]:
        return _into(words[1], words[2:])
    uv = _uv()
    if uv and _uv_install(uv, words):
        return 0
    return subprocess.run([*PIP, "install", "-qq", *words], check=False).returncode


def _into(folder: str, words: list[str]) -> int:
    """A new environment, without a word of venv or pip where it is interrupted."""
    import fcntl

    with Path(f"{folder}.lock").open("w") as lock:  # a killed process leaves it at once
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"error: another make is installing into {folder}; it goes on, this one stops", file=sys.stderr)
            return 1
        python = str(Path(folder) / "bin" / "python")
        for command in ([sys.executable, "-m", "venv", "--clear", folder], [python, __file__, *words]):
            step = subprocess.Popen(command, start_new_session=True)
            try:
                status = step.wait()
            except BaseException:
                os.killpg(step.pid, signal.SIGKILL)
                print("interrupted; make goes on from here", file=sys.stderr)
                raise
            if status:
                return status
    return 0


def _uv() -> str | None:
    """The user's uv, else one in this environment."""
    if found := shutil.which("uv"):
        return found
    own = Path(sys.executable).with_name("uv")
    if not own.exists():
        subprocess.run([*PIP, "install", "-qq", "--no-deps", "--retries", "1", UV], capture_output=True, check=False)
    return str(own) if own.exists() else None


def _uv_install(uv: str, words: list[str]) -> bool:
    """Whether it worked. An install that was interrupted may have left packages without their files: the next one into
    this environment makes all anew, which downloads all again (--reinstall refreshes uv's cache), so only then.
    """
    unfinished = Path(sys.prefix) / "unfinished"
    again = ["--reinstall"] if unfinished.exists() else []
    unfinished.touch()
    command = [uv, "pip", "install", "-qq", *again, "--python", sys.executable, *words]
    done = subprocess.run(command, env={**os.environ, **settings()}, capture_output=True, check=False).returncode == 0
    if done:
        unfinished.unlink()
    return done


def settings() -> dict[str, str]:
    """pip's configuration as uv's environment variables; the best match of all indexes counts, as it does for pip."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False).stdout
    pairs = [line.partition("=") for line in listed.splitlines()]
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for scope in ("global.", "install.", ":env:."):  # each overrides the one before
        for key, _, value in pairs:
            if key.startswith(scope) and (name := NAMES.get(key.removeprefix(scope))):
                between = "," if name == "UV_FIND_LINKS" else " "
                found[name] = between.join(str(ast.literal_eval(value)).split())
    return found


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends uv, too
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
