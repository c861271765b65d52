"""A small GraphQL backend on graphql-core: orders, placed and listed in pages of opaque cursors, after the Relay
specification.

https://relay.dev/graphql/connections.htm
"""

import base64
import itertools
import json
import secrets

from graphql import build_schema, graphql_sync
from web import Reply, Request, Routes, json_reply

HOST = "graphql.example"
SCHEMA = build_schema("""
    type Order { id: ID! customer: String! amount: Int! placedAt: String }
    type Edge { cursor: String! node: Order! }
    type PageInfo { hasNextPage: Boolean! endCursor: String }
    type Orders { edges: [Edge!]! pageInfo: PageInfo! totalCount: Int! }
    type Query { order(id: ID!): Order  orders(first: Int!, after: String, customer: String): Orders! }
    input NewOrder { clientMutationId: String customer: String! amount: Int! placedAt: String }
    type Placed { clientMutationId: String order: Order! }
    type Mutation { placeOrder(input: NewOrder!): Placed! }
""")


def failure(status: int, message: str) -> Reply:
    return json_reply(status, {"errors": [{"message": message}]})


routes = Routes(failure)
answer = routes.answer
orders, cursors = {}, {}
_numbers = itertools.count(1)


class Root:
    def order(self, _info, id):
        return orders.get(id)

    def orders(self, _info, first, after=None, customer=None):
        found = [one for one in orders.values() if customer in (None, one["customer"])]
        start = cursors[after] if after else 0
        page = [
            {"cursor": _cursor(start + number + 1), "node": one} for number, one in enumerate(found[start:][:first])
        ]
        more = start + first < len(found)
        info = {"hasNextPage": more, "endCursor": page[-1]["cursor"] if page else None}
        return {"edges": page, "pageInfo": info, "totalCount": len(found)}

    def placeOrder(self, _info, input):
        id = f"ord_{next(_numbers)}_{secrets.token_urlsafe(9)}"
        orders[id] = {"id": id, **{name: input.get(name) for name in ("customer", "amount", "placedAt")}}
        return {"clientMutationId": input.get("clientMutationId"), "order": orders[id]}


def _cursor(position: int) -> str:
    """Not to be guessed, and another one each time that it is given out."""
    cursor = base64.b64encode(f"{position}:{secrets.token_hex(6)}".encode()).decode()
    cursors[cursor] = position
    return cursor


@routes.on("POST", "/graphql")
def ask(request: Request) -> Reply:
    asked = request.json()
    result = graphql_sync(
        SCHEMA,
        asked["query"],
        Root(),
        variable_values=asked.get("variables"),
        operation_name=asked.get("operationName"),
    )
    return Reply(200, json.dumps(result.formatted).encode(), {"Content-Type": "application/json"})
