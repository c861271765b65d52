"""GraphQL through gql: orders placed, read and listed in pages; and the same question asked by hand, written another
way.

New in each run: the bearer token, `clientMutationId` (which the answer carries back), the time of an order, a comment
in a query.
"""

import requests
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from kit import fresh_id, fresh_secret, meant, now, refused, show

URL = "https://graphql.example/graphql"
headers = {"Authorization": f"Bearer {fresh_secret()}"}
session = Client(transport=RequestsHTTPTransport(URL, headers=headers)).connect_sync()

PLACE = gql("""
    mutation Place($input: NewOrder!) { placeOrder(input: $input) { clientMutationId order { id amount } } }
""")
LIST = gql("""
    query List($first: Int!, $after: String, $customer: String) {
        orders(first: $first, after: $after, customer: $customer) {
            totalCount
            edges { cursor node { id amount } }
            pageInfo { hasNextPage endCursor }
        }
    }
""")
# Two operations in one document: the request says which.
READ = """
    query Amount($id: ID!) { order(id: $id) { amount } }
    query Customer($id: ID!) { order(id: $id) { customer } }
"""

placed = []
for number, customer in enumerate(("ada", "grace", "ada", "ada", "grace")):
    own = fresh_id()
    order = {"clientMutationId": own, "customer": customer, "amount": meant(1, 10, 11) * number, "placedAt": now()}
    answer = session.execute(PLACE, variable_values={"input": order})["placeOrder"]
    placed.append(answer["order"]["id"])
    show("placed", answer["order"], answer["clientMutationId"] == own)
for customer in (None, "ada"):
    after, more = None, True
    while more:
        variables = {"first": 2, "after": after, "customer": customer}
        page = session.execute(LIST, variable_values=variables)["orders"]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        show("page", page["totalCount"], [edge["node"] for edge in page["edges"]])
for operation in ("Amount", "Customer"):
    for id in (placed[4], placed[1]):
        show(operation, session.execute(gql(READ), variable_values={"id": id}, operation_name=operation)["order"])
show("none", session.execute(gql('{ order(id: "none") { id } }'))["order"])
error = refused(lambda: session.execute(gql("{ nonsense }")), TransportQueryError)
show("refused", error.errors[0]["message"])

# Comments and line breaks have no meaning.
field = meant(2, "amount", "customer")
text = f"# asked by {fresh_id()} at {now()}\nquery Amount($id: ID!) {{\n\n  order(id: $id) {{ {field}, }}\n}}\n"
for id in (placed[3], placed[2]):
    asked = {"query": text, "variables": {"id": id}, "operationName": "Amount"}
    show("by hand", requests.post(URL, json=asked, headers=headers, timeout=30).json()["data"]["order"])
