"""Helps Schemathesis to requests that reach the service's data: ids of vaults, sources and members that exist, and URLs that exist.

The environment variable SUBJECTS has them: `{"vaults": [...], "deletable": [...], "sources": [...], "users": [...]}`.
"""

import json
import os
import re
import zlib
from pathlib import Path

import jsonschema_rs
import schemathesis
from hypothesis import strategies as st

SUBJECTS = json.loads(os.environ["SUBJECTS"])
DOCUMENT = json.loads((Path(__file__).parents[3] / "docs" / "openapi.json").read_text())
UPDATE_SOURCE = jsonschema_rs.validator_for(
    {"$ref": "#/components/schemas/UpdateSource", "components": DOCUMENT["components"]}
)
CUID = re.compile(r"c[a-z0-9]{8,31}")
USER_ID = re.compile(r"[!-~]{1,128}")

# The absolute URLs of `fileUrl`.
schemathesis.openapi.format(
    "iri",
    st.builds(
        "{}://{}.example{}/{}".format,
        st.sampled_from(["http", "https", "HTTPS"]),
        st.from_regex(r"\A[a-z]{1,20}\Z"),
        st.sampled_from(["", ":8080"]),
        st.text(st.characters(exclude_categories=["C", "Z"]), max_size=100),
    ),
)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Replaces most valid ids by ids that exist. An invalid id stays as it is."""
    path = context.operation.path
    identifier = (path_parameters or {}).get("id")
    if not isinstance(identifier, str) or not CUID.fullmatch(identifier):
        return path_parameters
    # Equal for equal parameters, because Hypothesis repeats requests.
    number = zlib.crc32(identifier.encode())
    if path == "/api/vaults/{id}" and context.operation.method.lower() == "delete":
        kind = "deletable"
    elif number % 5 == 0:
        return path_parameters
    elif path.startswith("/api/sources"):
        kind = "sources"
    else:
        kind = "vaults"
    replaced = {**path_parameters, "id": pick(kind, number)}
    if isinstance(replaced.get("userId"), str) and USER_ID.fullmatch(replaced["userId"]):
        replaced["userId"] = pick("users", number)
    return replaced


@schemathesis.hook
def map_query(context, query):
    """Replaces valid ids of members by ids that exist."""
    user = (query or {}).get("userId")
    if not isinstance(user, str) or not USER_ID.fullmatch(user):
        return query
    return {**query, "userId": pick("users", zlib.crc32(user.encode()))}


def pick(kind, number):
    """Returns one of the ids of a kind."""
    return SUBJECTS[kind][number % len(SUBJECTS[kind])]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops two kinds of reports: bodies that Schemathesis made invalid for one of the alternatives only, and that another one
    allows; and `Allow` of the members, which omits the methods that need the parameter `userId`."""
    if type(failure).__name__ == "AllowHeaderMismatch" and case.path == "/api/vaults/{id}/members":
        return False
    is_about_body = type(failure).__name__ == "AcceptedNegativeData" and case.path == "/api/sources/{id}"
    return not (is_about_body and isinstance(case.body, dict) and UPDATE_SOURCE.is_valid(case.body))
