"""A receiver of webhooks that verifies signatures. It needs: pip install svix"""

import http.server
import json
import os

from svix.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["SIGNING_KEY"])


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            webhook.verify(body, dict(self.headers.items()))
        except WebhookVerificationError as error:
            print("refused:", error, flush=True)
            self.send_response(400)
        else:
            print("received:", json.loads(body), flush=True)
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Prints nothing: do_POST prints each request."""


http.server.HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9911"))), Receiver).serve_forever()
