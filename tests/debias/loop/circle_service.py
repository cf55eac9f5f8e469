"""The example service on the standard library's server: a process of its own in test_circle.py."""

from __future__ import annotations

import http.server
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "docs" / "examples" / "service"))
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from deciding import Decider, Feed


def main(out: str, folder: str, size: str) -> None:
    """Prints its port; a POST of a list of persons answers a list of decisions."""
    decider, feed = Decider(Path(out) / "running.json"), Feed(Path(folder), int(size))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            people = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answers = []
            for person in people:
                answers.append(decider.decide(person))
                feed.add(person | answers[-1])
            content = json.dumps({"answers": answers, "problem": decider.problem}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
