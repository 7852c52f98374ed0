"""What people see: pages rendered here, which work without JavaScript and are better with it.

A page is a view, made by a pure function of what the store holds, and a template that shows it. The handlers only bring
the two together.
"""

from alertsync.web.pages.routes import blueprint, register, show_now

__all__ = ["blueprint", "register", "show_now"]
