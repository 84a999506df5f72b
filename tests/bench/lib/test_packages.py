"""The libraries that a package of the distribution needs."""

from bench.lib import packages


def test_libraries_of_a_package():
    depends = (
        "libc6 (>= 2.34), libcrypt1 (>= 1:4.1.0), liblua5.3-0, libsystemd0 | libelogind0, adduser, "
        "lsb-base (>= 3.0-6) | sysvinit-utils, init-system-helpers (>= 1.54~)\n"
    )
    assert packages.libraries(depends) == ["libc6", "libcrypt1", "liblua5.3-0", "libsystemd0"]
