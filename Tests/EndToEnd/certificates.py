"""Certificates for tests, made as they run: an authority, servers, clients, revocation lists."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Authority:
    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        directory.mkdir(parents=True, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (
            self.builder(self.subject, self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file = self.write(f"{name}.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def builder(self, subject, public_key, valid_for=datetime.timedelta(hours=1), starts=datetime.timedelta(minutes=-5)):
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject).public_key(public_key)
            .serial_number(x509.random_serial_number()).not_valid_before(now() + starts).not_valid_after(now() + valid_for)
        )  # fmt: skip

    def write(self, name, data):
        file = self.directory / name
        file.write_bytes(data)
        return str(file)

    def issue(self, name, *, uris=(), dns=(), addresses=(), **validity):
        """Writes NAME.pem and NAME.key; returns (certificate file, key file, certificate)."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.UniformResourceIdentifier(u) for u in uris] + [x509.DNSName(d) for d in dns]
        names += [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
        builder = self.builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(), **validity)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        file = self.write(f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return file, self.write(f"{name}.key", private), certificate

    def revocation_list(self, *certificates, valid_for=datetime.timedelta(hours=1), signer=None):
        """Writes the list and returns its file."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.subject).last_update(now() - datetime.timedelta(hours=2))
        builder = builder.next_update(now() + valid_for)
        for certificate in certificates:
            revoked = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now() - datetime.timedelta(minutes=1))
            builder = builder.add_revoked_certificate(revoked.build())
        return self.write(f"{self.name}.crl", builder.sign(signer or self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
