#!/usr/bin/env python3
"""Makes minted.json and sets.json with new keys. The private keys are not kept.

    pip install 'pyjwt[crypto]' && npm install jose
    python3 make.py
"""

import base64
import datetime
import json
import pathlib
import secrets
import subprocess
import uuid

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).parent
NOW = 1_750_000_000
SECRET = b"only-for-tests-only-for-tests-only-for-tests"
CLAIMS = {
    "sub": "alice",
    "jti": "token-1",
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 3_600,
    "iss": "https://issuer.example",
    "aud": ["oasis", "other"],
    "oasis.admin": True,
    "oasis.resources": {"project_id": ["p1"]},
    "name": "Zo\u00eb",
}


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value, length=None):
    return base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def pem(key):
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()


def private(key):
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def new_rsa():
    return rsa.generate_private_key(65_537, 2_048)


def minted():
    """Two tokens for each algorithm: one by PyJWT, and one by jose."""
    keys = {
        "RS256": new_rsa(),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    jobs = [{"alg": "HS256", "secret": base64url(SECRET)}]
    jobs += [{"alg": alg, "private": private(key)} for alg, key in keys.items()]
    made = subprocess.run(
        ["node", HERE / "make.mjs"],
        input=json.dumps({"claims": CLAIMS, "jobs": jobs}),
        capture_output=True,
        check=True,
        text=True,
    )
    by_jose = json.loads(made.stdout)
    for job in jobs:
        alg = job["alg"]
        key = keys.get(alg)
        verifies = {"pem": pem(key)} if key else {"secret": job["secret"]}
        token = jwt.encode(CLAIMS, key or SECRET, alg, headers={"kid": "key-1"})
        yield {"name": f"PyJWT {jwt.__version__} {alg}", **verifies, "token": token}
        yield {"name": f"jose {by_jose['version']} {alg}", **verifies, "token": by_jose["tokens"][alg]}


def certificate(key):
    """The members with the certificate of a key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example")])
    begin = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=3_650))
        .sign(key, hashes.SHA256())
    )
    der = made.public_bytes(serialization.Encoding.DER)
    return {
        "x5c": [base64.b64encode(der).decode()],
        "x5t": base64url(made.fingerprint(hashes.SHA1())),
        "x5t#S256": base64url(made.fingerprint(hashes.SHA256())),
    }


def rsa_members(key):
    numbers = key.public_key().public_numbers()
    return {"n": number(numbers.n), "e": number(numbers.e)}


def ec_members(key):
    numbers = key.public_key().public_numbers()
    return {"crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}


def signed(key, alg, kid, issuer, audience):
    claims = {"iss": issuer, "aud": audience, "sub": "alice", "iat": NOW, "exp": NOW + 3_600}
    return jwt.encode(claims, key, alg, headers={"kid": kid})


def sets():
    """JWK sets with the members that the services publish, each with a token."""
    one, two = new_rsa(), new_rsa()
    keys = []
    kids = [secrets.token_urlsafe(16) for _ in range(2)]
    for key, kid in zip([one, two], kids):
        more = certificate(key)
        more.pop("x5t#S256")
        keys.append({"kty": "RSA", "use": "sig", **rsa_members(key), "kid": kid, **more, "alg": "RS256"})
    token = signed(two, "RS256", kids[1], "https://tenant.eu.auth0.com/", ["https://api.example", "x"])
    yield {"name": "Auth0", "usable": 2, "token": token, "set": {"keys": keys}}

    key, kid = ec.generate_private_key(ec.SECP256R1()), str(uuid.uuid4())
    form = {"alg": "ES256", "ext": True, "key_ops": ["verify"], "kid": kid, "kty": "EC", "use": "sig"}
    token = signed(key, "ES256", kid, "https://project.supabase.co/auth/v1", "authenticated")
    yield {"name": "Supabase", "usable": 1, "token": token, "set": {"keys": [{**form, **ec_members(key)}]}}

    pair = [new_rsa(), new_rsa()]
    kids = [secrets.token_hex(20) for _ in pair]
    keys = [
        {"alg": "RS256", "kid": kid, **rsa_members(key), "use": "sig", "kty": "RSA"}
        for key, kid in zip(pair, kids)
    ]
    token = signed(pair[0], "RS256", kids[0], "https://securetoken.google.com/project", "project")
    yield {"name": "Firebase", "usable": 2, "token": token, "set": {"keys": keys}}

    key, other = new_rsa(), new_rsa()
    kids = [secrets.token_urlsafe(32) for _ in range(2)]
    keys = [
        {"kid": kid, "kty": "RSA", "alg": alg, "use": use, **certificate(each), **rsa_members(each)}
        for each, kid, alg, use in [(other, kids[1], "RSA-OAEP", "enc"), (key, kids[0], "RS256", "sig")]
    ]
    token = signed(key, "RS256", kids[0], "https://login.example/realms/oasis", ["oasis", "account"])
    yield {"name": "Keycloak", "usable": 1, "token": token, "set": {"keys": keys}}


for file, entries in [("minted.json", minted()), ("sets.json", sets())]:
    text = json.dumps(list(entries), indent=2, ensure_ascii=False)
    (HERE / file).write_text(text + "\n", encoding="utf-8")
