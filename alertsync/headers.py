"""What every answer tells a browser about itself, whoever gives it: the pages, or the worker that refused to read a request.

The worker is loaded before it forks, and needs nothing of Flask; so this stands by itself.
"""

from __future__ import annotations

_FEATURES = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "usb",
)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _FEATURES),
}
"""What every answer says, unless it says otherwise itself.

Strict-Transport-Security is not among them: it would bind every port and path of a host, and who owns the host and its
certificate, which is the proxy in front, knows what else is served there.
"""
