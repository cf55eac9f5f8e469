"""Models that another program serves: asked over HTTP or gRPC, with people's features and nothing else.

worker.py     the face that every model has here (audit.models.Worker)
protocols.py  the table of protocols, a row each; oip.py, oip_grpc.py, scoring.py and template.py do the work
client.py     the connection: limits, retries, TLS, no redirects
kept.py       answers that were given, so that an audit can be repeated without the server
measured.py   what is measured of the service itself: alike when asked again, latency by group
"""
