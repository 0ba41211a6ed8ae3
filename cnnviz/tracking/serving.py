"""The server of `make ui`: MLflow's own, in this one process, which ends when its standard input does.

`python -m cnnviz.tracking.serving <store> <folder of files> <site> <port>`. The site of the report is at `/site/`. Who
starts it holds the other end of a pipe; however that process ends, by `kill -9`, too, the pipe ends with it, and then
this server.

MLflow's pages decide in the browser how they begin: as GenAI, where an address does not say `workflowType` (none of
MLflow's own links to a run does), and with a panel, the Assistant, on a third of the window. A visitor of this server
begins with model training and without the panel; what they choose themselves stays.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread

from cnnviz.tracking.links import SITE

HOST = "127.0.0.1"
FIRST = {  # what a browser remembers, by MLflow's name for it, unless it remembers another value
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,  # "was opened by itself", which is done once
}
SETTLING = 5.0  # seconds that requests under way may take at the end


def beginning(page: str) -> str:
    """MLflow's page with what it begins with; as it is where it has no head."""
    known = json.dumps({name: json.dumps(value) for name, value in FIRST.items()})
    script = f"for (const [k, v] of Object.entries({known})) if (localStorage.getItem(k) === null) localStorage[k] = v"
    return page.replace("<head>", f"<head><script>try {{ {script} }} catch {{}}</script>", 1)


def main(uri: str, artifacts: str, site: str, port: str) -> None:
    """Serve until a signal or the end of standard input. Raises what MLflow does where the store is none."""
    Thread(target=_end_with_input, daemon=True).start()
    import uvicorn  # before mlflow.server, which looks whether it is there
    from mlflow.server import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR, handlers
    from mlflow.server import app as pages

    os.environ |= {BACKEND_STORE_URI_ENV_VAR: uri, ARTIFACT_ROOT_ENV_VAR: artifacts}
    handlers.initialize_backend_stores(uri, uri, artifacts)
    from mlflow.server.fastapi_app import app
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    # ahead of MLflow's own, of which one takes all that is left
    app.router.routes.insert(0, Mount(f"/{SITE}", StaticFiles(directory=site, html=True, check_dir=False)))

    file = Path(pages.static_folder) / "index.html"
    if "serve" in pages.view_functions and file.is_file():
        page = pages.response_class(beginning(file.read_text(encoding="utf-8")), mimetype="text/html")
        page.headers["Cache-Control"] = "no-store"  # nor one of a server that was on this port before
        pages.view_functions["serve"] = lambda: page
    uvicorn.run(app, host=HOST, port=int(port), timeout_graceful_shutdown=int(SETTLING))


def _end_with_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2 * SETTLING)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
