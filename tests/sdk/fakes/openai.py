"""A small fake of OpenAI's chat completions: whole, or as server-sent events that come word by word, with pauses.
https://platform.openai.com/docs/api-reference/chat
"""

import json
import secrets
import time
from collections.abc import Iterator

from web import Reply, Request, Routes, json_reply

HOST = "api.openai.com"
PAUSE_SECONDS = 0.03


def failure(status: int, message: str) -> Reply:
    return json_reply(status, {"error": {"message": message, "type": "invalid_request_error", "code": None}})


routes = Routes(failure)
answer = routes.answer


@routes.on("GET", "/v1/models")
def models(_request: Request) -> Reply:
    names = ("gpt-5-mini", "text-embedding-3-small")
    listed = [{"id": name, "object": "model", "created": 1735689600, "owned_by": "system"} for name in names]
    return json_reply(200, {"object": "list", "data": listed})


@routes.on("POST", "/v1/chat/completions")
def complete(request: Request) -> Reply:
    asked = request.json()
    words = _words(asked["messages"][-1]["content"])
    limit = asked.get("max_completion_tokens") or len(words)
    said, reason = words[:limit], "length" if limit < len(words) else "stop"
    usage = {"prompt_tokens": 12, "completion_tokens": len(said), "total_tokens": 12 + len(said)}
    id, made = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
    if asked.get("stream"):
        usage = usage if asked.get("stream_options", {}).get("include_usage") else None
        head = {"id": id, "object": "chat.completion.chunk", "created": made, "model": asked["model"]}
        return Reply(200, _events(head, said, reason, usage), {"Content-Type": "text/event-stream; charset=utf-8"})
    message = {"role": "assistant", "content": "".join(said), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    head = {"id": id, "object": "chat.completion", "created": made, "model": asked["model"]}
    return json_reply(200, {**head, "choices": [choice], "usage": usage})


def _words(question: str) -> list[str]:
    """Something else each time, as a model's answers are."""
    text = f"You asked: {question} I say {secrets.token_hex(3)}: \u00e7a d\u00e9pend \U0001f937 of the weather."
    return [word + " " for word in text.split()]


def _events(head: dict, said: list[str], reason: str, usage: dict | None) -> Iterator[bytes]:
    deltas = [({"role": "assistant", "content": ""}, None), *(({"content": word}, None) for word in said), ({}, reason)]
    chunks = [
        {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}]} for delta, end in deltas
    ]
    if usage:
        chunks.append({**head, "choices": [], "usage": usage})
    events = (f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode() for chunk in chunks)
    for event in events:
        # Cut within a line, and at times within a character.
        half = len(event) // 2
        for piece in (event[:half], event[half:]):
            yield piece
            time.sleep(PAUSE_SECONDS / 2)
    # Clients hang up as soon as they have this: the end of the stream has to come right behind.
    yield b"data: [DONE]\n\n"
