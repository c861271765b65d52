"""Credentials that open nothing. Nobody's real keys are used by a recording or a replay of the sample, whatever the environment holds."""

import os

MADE_UP = {
    "AWS_ACCESS_KEY_ID": "SAMPLEKEYID",
    "AWS_SECRET_ACCESS_KEY": "sample-secret",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "STRIPE_API_KEY": "sk_test_sample",
    "HUBSPOT_ACCESS_TOKEN": "sample-token",
    "PLAID_CLIENT_ID": "sample-client",
    "PLAID_SECRET": "sample-secret",
}
NOT_PASSED_ON = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")


def of_the_sample(environment) -> dict:
    """The environment with these credentials instead of its own."""
    return {name: value for name, value in environment.items() if name not in NOT_PASSED_ON} | MADE_UP
