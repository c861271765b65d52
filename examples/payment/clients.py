"""The five backends' official SDKs, set up from the environment as a real service would.

The one place that knows the proxy. Each SDK calls where it calls by default: `https://` and its backend's own host. It
makes no call by itself.
"""

import os
import sys
import urllib.request

try:
    import boto3
    import hubspot
    import plaid
    import stripe
    from botocore.config import Config
    from googleapiclient import discovery
    from plaid.api.plaid_api import PlaidApi
except ImportError as error:
    sys.exit(f"payment: the SDK '{error.name}' is not installed; run `make setup` and use .venv/bin/python")


def proxy() -> str | None:
    """The proxy that the environment names for https:// (HTTPS_PROXY, in either case)."""
    return urllib.request.getproxies().get("https")


def dynamodb():
    """boto3 reads the proxy and the credentials from the environment."""
    config = Config(region_name="us-east-1", retries={"mode": "standard", "max_attempts": 2})
    return boto3.client("dynamodb", config=config)


def stripe_client() -> stripe.StripeClient:
    """Stripe's client sends through `requests`, which reads the proxy from the environment.

    Its telemetry is off: it would write an identifier into the home directory, and send that and the platform along.
    """
    stripe.enable_telemetry = False
    return stripe.StripeClient(_need("STRIPE_API_KEY"))


def hubspot_client() -> hubspot.HubSpot:
    """HubSpot's client is urllib3, which ignores the environment: the proxy is configured."""
    return hubspot.HubSpot(access_token=_need("HUBSPOT_ACCESS_TOKEN"), proxy=proxy())


def plaid_client() -> PlaidApi:
    """Plaid's client is urllib3 too."""
    keys = {"clientId": _need("PLAID_CLIENT_ID"), "secret": _need("PLAID_SECRET"), "plaidVersion": "2020-09-14"}
    configuration = plaid.Configuration(host=plaid.Environment.Sandbox, api_key=keys)
    configuration.proxy = proxy()
    return PlaidApi(plaid.ApiClient(configuration))


def google_client():
    """Google's client for its Discovery API: fetches the API's description, and builds the methods from it.

    The description names https://www.googleapis.com/ as its root; `api_endpoint` keeps the calls on one host.
    """
    root = "https://discovery.googleapis.com/discovery/v1/"
    return discovery.build(
        "discovery",
        "v1",
        discoveryServiceUrl=root + "apis/{api}/{apiVersion}/rest",
        client_options={"api_endpoint": root},
        cache_discovery=False,
    )


def _need(name: str) -> str:
    return os.environ.get(name) or sys.exit(f"payment: the environment variable {name} is not set")
