"""What gunicorn serves: `gunicorn wsgi:app`, with its settings in gunicorn.conf.py."""

import logging
import sys

from gunicorn.arbiter import Arbiter

from alertsync import bootstrap, config
from alertsync.errors import NewerStoreError
from alertsync.web import create_app

try:
    app = create_app(bootstrap.build(config.load(), stay_up=True))
except NewerStoreError as error:
    logging.getLogger("alertsync").critical("alertsync cannot start: %s", error)
    # It lets gunicorn end as a whole, where it would otherwise begin worker after worker.
    sys.exit(Arbiter.APP_LOAD_ERROR)
