"""What gunicorn serves: `gunicorn wsgi:app`, with its settings in gunicorn.conf.py."""

from alertsync import bootstrap, config
from alertsync.web import create_app

app = create_app(bootstrap.build(config.load(), stay_up=True))
