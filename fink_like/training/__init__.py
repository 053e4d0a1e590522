"""How models are made: `fink-like module train NAME`.

==============  ===========================================================================
declaration     the module's ``training.yaml``: classes, how many, labels, thresholds
rows            what the model sees of simulated alerts, of both worlds
labelled        the same of real alerts: stored ones with labels, and folders of packets
fit             an ensemble, calibrated
evaluate        how good it is, with intervals
card            ``card.json``: all of this in one file; ``training.png``: the picture
train           one after the other, in two processes
==============  ===========================================================================
"""
