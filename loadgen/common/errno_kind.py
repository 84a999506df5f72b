"""The kind of a failed request, from an error number of the system."""

import errno

from loadgen.shared.request_record import LOAD_HOST, REFUSED, RESET, TIMEOUT, UNREACHABLE

BY_ERRNO = {
    errno.ETIMEDOUT: TIMEOUT,
    errno.ECONNREFUSED: REFUSED,
    **dict.fromkeys((errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN), RESET),
    **dict.fromkeys((errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN), UNREACHABLE),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM), LOAD_HOST),
}
