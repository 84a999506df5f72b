"""Add the certificates of a PEM bundle that this host does not trust yet to its trust store.

Debian's update-ca-certificates needs one certificate in each file. The program prints the number of new ones.
"""

import hashlib
import re
import ssl
import subprocess
import sys
from pathlib import Path

LOCAL = Path("/usr/local/share/ca-certificates")
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def read_certificates(path):
    """Return PEM text by fingerprint of every certificate in a file."""
    certificates = CERTIFICATE.findall(path.read_text(encoding="ascii", errors="ignore")) if path.exists() else []
    return {hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest(): pem for pem in certificates}


def main():
    wanted = read_certificates(Path(sys.argv[1]))
    known = read_certificates(Path("/etc/ssl/certs/ca-certificates.crt"))
    new = {fingerprint: pem for fingerprint, pem in wanted.items() if fingerprint not in known}
    LOCAL.mkdir(parents=True, exist_ok=True)
    for fingerprint, pem in new.items():
        (LOCAL / f"swarmsweep-{fingerprint[:16]}.crt").write_text(pem + "\n")
    if new:
        subprocess.run(["update-ca-certificates"], check=True, stdout=subprocess.DEVNULL)
    print(f"trusted {len(new)}")


if __name__ == "__main__":
    main()
