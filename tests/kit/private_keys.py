"""Private keys of client assertions, as an operator configures them. Made per run."""

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

Key = (
    ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | rsa.RSAPrivateKey
)


def pem(key: Key, *, password: str = "") -> str:
    hidden = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden).decode()


_P256 = ec.generate_private_key(ec.SECP256R1())
P256_PEM = pem(_P256)
P256_ENCRYPTED_PEM = pem(_P256, password="open sesame")
P256_OLD_PEM = _P256.private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
).decode()
P384_PEM = pem(ec.generate_private_key(ec.SECP384R1()))
P521_PEM = pem(ec.generate_private_key(ec.SECP521R1()))
K256_PEM = pem(ec.generate_private_key(ec.SECP256K1()))
ED25519_PEM = pem(ed25519.Ed25519PrivateKey.generate())
ED448_PEM = pem(ed448.Ed448PrivateKey.generate())
RSA_PEM = pem(rsa.generate_private_key(65537, 2048))
RSA_SHORT_PEM = pem(rsa.generate_private_key(65537, 1024))
