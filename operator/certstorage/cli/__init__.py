"""`kubectl certstorage …` and `certstorage …`: what is so, why, and how to ask for what only a person may ask for.

Reading an object is in `doc` and `overview`, saying it in `status`, `why`, `asking` and `history`: values in, text out.
Only `kube` and `login` talk to a cluster; everything else knows them by the protocol in `port`.
"""
