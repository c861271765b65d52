"""HubSpot through its official client: contacts made, found, changed, listed in pages, joined with deals, archived.

New in each run: the access token; in properties a correlation identifier and the time of the last visit.
"""

import urllib.request

import hubspot
import hubspot.crm.associations.v4 as associations
import hubspot.crm.contacts as contacts
import hubspot.crm.deals as deals
from kit import fresh_id, fresh_secret, meant, now, refused, show

# The client is urllib3, which knows no environment: it gets the proxy as configuration.
proxy = urllib.request.getproxies().get("https")
crm = hubspot.HubSpot(access_token=f"pat-{fresh_secret()}", proxy=proxy).crm

made = []
for name in ("ada", "grace", "alan", "edsger", "barbara"):
    properties = {
        "email": f"{name}@{meant(1, 'example.com', 'example.org')}",
        "firstname": name,
        "last_visit": now(),
        "correlation": fresh_id(),
    }
    one = crm.contacts.basic_api.create(
        contacts.SimplePublicObjectInputForCreate(properties=properties, associations=[])
    )
    made.append(one.id)
    show("contact", one.id, one.properties["email"], one.created_at)
after, pages = None, 0
while pages == 0 or after:
    page = crm.contacts.basic_api.get_page(limit=2, after=after, properties=["email"])
    after, pages = page.paging and page.paging.next.after, pages + 1
    show("page", [one.properties["email"] for one in page.results], after)
changed = crm.contacts.basic_api.update(made[1], contacts.SimplePublicObjectInput(properties={"last_visit": now()}))
show("changed", changed.id, changed.updated_at)
for which in (1, 0):
    show("got", crm.contacts.basic_api.get_by_id(made[which], properties=["firstname"]).properties["firstname"])
term = {"propertyName": "email", "operator": "EQ", "value": "alan@example.com"}
found = crm.contacts.search_api.do_search(
    contacts.PublicObjectSearchRequest(filter_groups=[{"filters": [term]}], properties=["firstname"], limit=5)
)
show("found", [one.id for one in found.results])
error = refused(
    lambda: crm.contacts.basic_api.create(
        contacts.SimplePublicObjectInputForCreate(
            properties={"email": "ada@example.com", "correlation": fresh_id()}, associations=[]
        )
    ),
    contacts.ApiException,
)
show("refused", error.status)
for amount in ("1000", "2000"):
    deal = crm.deals.basic_api.create(
        deals.SimplePublicObjectInputForCreate(
            properties={"dealname": "order", "amount": amount, "closedate": now()}, associations=[]
        )
    )
    spec = associations.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=3)
    joined = crm.associations.v4.basic_api.create("deals", deal.id, "contacts", made[0], [spec])
    show("deal", deal.id, deal.properties["amount"], joined.to_object_id)
crm.contacts.basic_api.archive(made[4])
error = refused(lambda: crm.contacts.basic_api.get_by_id(made[4]), contacts.ApiException)
show("archived", error.status)
