"""A small fake of Google's IAM credentials service: where a service account may be used from, which Google's clients ask
in the background, once they call a Google host with its token.
https://cloud.google.com/iam/docs/reference/credentials/rest
"""

from web import Reply, Request, Routes, json_reply

HOST = "iamcredentials.googleapis.com"

routes = Routes(lambda status, message: json_reply(status, {"error": {"code": status, "message": message}}))
answer = routes.answer


@routes.on("GET", "/v1/projects/-/serviceAccounts/{email}/allowedLocations")
def allowed_locations(request: Request) -> Reply:
    return json_reply(200, {"locations": ["europe-west1"], "encodedLocations": "0xA30"})
