"""Customers: a ledger record, a Stripe customer with a card, a HubSpot contact."""

import hubspot.crm.associations.v4 as associations
import hubspot.crm.contacts as contacts
import hubspot.crm.deals as deals
from ledger import Exists, Missing
from web import Reply, Request, Routes, json_reply

DEAL_TO_CONTACT = 3  # HubSpot's own association type


def add_routes(routes: Routes, app):
    routes.on("POST", "/customers")(app.handler(create))
    routes.on("GET", "/customers")(app.handler(list_customers))
    routes.on("GET", "/customers/{id}")(app.handler(show))
    routes.on("PATCH", "/customers/{id}")(app.handler(change))
    routes.on("DELETE", "/customers/{id}")(app.handler(remove))
    routes.on("GET", "/customers/{id}/contact")(app.handler(show_contact))
    routes.on("POST", "/customers/{id}/deals")(app.handler(open_deal))
    routes.on("GET", "/contacts")(app.handler(list_contacts))
    routes.on("GET", "/contacts/{id}")(app.handler(show_contact_by_id))


def create(app, request: Request) -> Reply:
    """Body: id, name, email, and optionally card (one of Stripe's test cards)."""
    data = app.fields(request, "id", "name", "email")
    try:
        app.ledger.get("customer", data["id"])
        raise Exists(f"customer {data['id']} exists")
    except Missing:
        pass
    payer = app.stripe.v1.customers.create(
        {"name": data["name"], "email": data["email"], "metadata": {"customer": data["id"]}}
    )
    card = app.stripe.v1.payment_methods.attach(data.get("card", "pm_card_visa"), {"customer": payer.id})
    first, _, last = data["name"].partition(" ")
    properties = {"email": data["email"], "firstname": first, "lastname": last, "customer_id": data["id"]}
    contact = app.hubspot.crm.contacts.basic_api.create(
        contacts.SimplePublicObjectInputForCreate(properties=properties, associations=[])
    )
    record = {
        "name": data["name"],
        "email": data["email"],
        "stripe": payer.id,
        "card": card.id,
        "contact": contact.id,
        "paid": 0,
        "payments": 0,
    }
    return json_reply(201, app.ledger.add("customer", data["id"], record, "customers"))


def list_customers(app, request: Request) -> Reply:
    items, cursor = app.ledger.page("customers", app.number(request, "limit", 4), request.query.get("after"))
    return json_reply(200, {"customers": items, "next": cursor})


def show(app, request: Request) -> Reply:
    return json_reply(200, app.ledger.get("customer", request.params["id"]))


def change(app, request: Request) -> Reply:
    data = app.fields(request, "email")
    record = app.ledger.update("customer", request.params["id"], email=data["email"])
    app.stripe.v1.customers.update(record["stripe"], {"email": data["email"]})
    app.hubspot.crm.contacts.basic_api.update(
        record["contact"], contacts.SimplePublicObjectInput(properties={"email": data["email"]})
    )
    return json_reply(200, record)


def remove(app, request: Request) -> Reply:
    record = app.ledger.get("customer", request.params["id"])
    app.stripe.v1.customers.delete(record["stripe"])
    app.hubspot.crm.contacts.basic_api.archive(record["contact"])
    app.ledger.remove("customer", request.params["id"])
    return Reply(204)


def show_contact(app, request: Request) -> Reply:
    record = app.ledger.get("customer", request.params["id"])
    return _contact_reply(app, record["contact"])


def show_contact_by_id(app, request: Request) -> Reply:
    return _contact_reply(app, request.params["id"])


def _contact_reply(app, contact: str) -> Reply:
    try:
        found = app.hubspot.crm.contacts.basic_api.get_by_id(contact, properties=["email", "firstname", "lastname"])
    except contacts.ApiException as error:
        if error.status != 404:
            raise
        return json_reply(404, {"error": f"no contact {contact}"})
    return json_reply(200, _contact(found))


def list_contacts(app, request: Request) -> Reply:
    """`email` searches; without it, one page in the order of creation."""
    email = request.query.get("email")
    if email is not None:
        term = {"propertyName": "email", "operator": "EQ", "value": email}
        search = contacts.PublicObjectSearchRequest(
            filter_groups=[{"filters": [term]}], properties=["email", "firstname", "lastname"], limit=10
        )
        found = app.hubspot.crm.contacts.search_api.do_search(search)
    else:
        found = app.hubspot.crm.contacts.basic_api.get_page(
            limit=app.number(request, "limit", 3), after=request.query.get("after"), properties=["email"]
        )
    after = found.paging.next.after if found.paging and found.paging.next else None
    return json_reply(200, {"contacts": [_contact(one) for one in found.results], "next": after})


def open_deal(app, request: Request) -> Reply:
    """Body: name, amount. A HubSpot deal, associated with the customer's contact."""
    data = app.fields(request, "name", "amount")
    record = app.ledger.get("customer", request.params["id"])
    properties = {"dealname": data["name"], "amount": str(data["amount"]), "dealstage": "appointmentscheduled"}
    deal = app.hubspot.crm.deals.basic_api.create(
        deals.SimplePublicObjectInputForCreate(properties=properties, associations=[])
    )
    spec = associations.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=DEAL_TO_CONTACT)
    app.hubspot.crm.associations.v4.basic_api.create("deals", deal.id, "contacts", record["contact"], [spec])
    return json_reply(201, {"deal": deal.id, "contact": record["contact"], "amount": deal.properties["amount"]})


def _contact(found) -> dict:
    shown = ("email", "firstname", "lastname")
    return {"id": found.id, **{name: found.properties[name] for name in shown if found.properties.get(name)}}
