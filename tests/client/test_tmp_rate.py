import time
from fink_like import client
def test_rate(kafka, send, broker, as_message, tmp_path):
    for s in ("ztf","lsst"):
        ids=[i for i,p in broker.packets.items() if p[0]==s]
        ms=[as_message(i) for i in ids]
        send("fink_rate_"+s,[{**m,"headers":[(k, v if k!="revision" else str(r).encode()) for k,v in m["headers"]]} for r in range(25) for m in ms])
        with client.Subscriber(kafka.servers,"fink_rate_"+s,"rate",state=tmp_path) as sub:
            it=sub.alerts(limit=25*len(ids),timeout=20); next(it); t=time.time(); n=sum(1 for _ in it); print(s,n,n/(time.time()-t),"per s")
