"""A small backend that takes documents as multipart/form-data, and says what it was given. It parses with werkzeug,
moto's own.
"""

import hashlib
import io
import secrets

from web import Reply, Request, Routes, json_reply
from werkzeug.formparser import parse_form_data

HOST = "documents.example"


def failure(status: int, message: str) -> Reply:
    return json_reply(status, {"error": message})


routes = Routes(failure)
answer = routes.answer
documents = {}


@routes.on("POST", "/documents")
def take(request: Request) -> Reply:
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.input": io.BytesIO(request.body),
    }
    _, fields, files = parse_form_data(environ)
    if not files:
        raise ValueError("no file")
    id = f"doc_{secrets.token_urlsafe(12)}"
    contents = {name: hashlib.sha256(file.read()).hexdigest() for name, file in files.items(multi=True)}
    names = sorted(file.filename for file in files.values())
    documents[id] = {"id": id, "kind": fields.get("kind"), "names": names, "sha256": contents}
    return json_reply(201, documents[id])


@routes.on("GET", "/documents/{id}")
def give(request: Request) -> Reply:
    found = documents.get(request.params["id"])
    return json_reply(200, found) if found else failure(404, "no such document")
