"""A language model through OpenAI's client: models listed, answers whole and as streams of tokens, synchronously and
several at once, one cut short, one broken off by the client's own choice of words.

New in each run: the API key, and in `metadata` a UUID and a time stamp.
"""

import asyncio

import openai
from kit import fresh_id, fresh_secret, meant, now, refused, show

KEY = f"sk-{fresh_secret()}"
MODEL = "gpt-5-mini"
client = openai.OpenAI(api_key=KEY, max_retries=0)


def question(text: str, **more) -> dict:
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": text}]
    return {"model": MODEL, "messages": messages, "metadata": {"trace": fresh_id(), "asked": now()}, **more}


show("models", [one.id for one in client.models.list()])
for text in ("How is the weather?", meant(1, "And tomorrow?", "And yesterday?")):
    whole = client.chat.completions.create(**question(text))
    show("whole", whole.id, whole.choices[0].message.content, whole.choices[0].finish_reason, whole.usage.total_tokens)

# The same question as above: only `stream` tells them apart.
for text in ("How is the weather?", meant(2, "Shall I go?", "Shall I stay?")):
    for event in client.chat.completions.create(**question(text, stream=True, stream_options={"include_usage": True})):
        for choice in event.choices:
            show("token", choice.delta.content, choice.finish_reason)
        if event.usage:
            show("used", event.id, event.usage.completion_tokens)
with client.chat.completions.stream(**question("Tell me a story.", max_completion_tokens=4)) as stream:
    stream.until_done()
    short = refused(stream.get_final_completion, openai.LengthFinishReasonError).completion
    show("cut short", short.choices[0].message.content, short.choices[0].finish_reason)
error = refused(lambda: client.models.retrieve("none"), openai.NotFoundError)
show("missing", error.status_code)


async def tokens(client: openai.AsyncOpenAI, text: str) -> list:
    stream = await client.chat.completions.create(**question(text, stream=True))
    return [event.choices[0].delta.content async for event in stream]


async def at_once():
    async with openai.AsyncOpenAI(api_key=KEY, max_retries=0) as client:
        for said in await asyncio.gather(*(tokens(client, f"And number {number}?") for number in range(4))):
            show("at once", said)


asyncio.run(at_once())
