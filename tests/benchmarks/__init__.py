"""How fast the product is, measured between a real Alertmanager and an IRM that does nothing but answer.

`make bench` runs it. What a run costs is told above its floor: the same requests, sent by a bare client that throws
the answers away, in the same minutes on the same machine. So the figures mean the same on a fast machine and on a
slow one. A target that is missed fails the command.
"""
