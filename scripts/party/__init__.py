"""A LAN party in network namespaces, for the demo, the tests and the benchmark.

ns        namespaces, programs inside them
topology  the party's networks (class Party)
daemons   softlan's programs: configuration, readiness, state, end
distance  a relay that is far away
traffic   DHCP, ping, iperf3, checksummed TCP, broadcasts
frames    raw Ethernet frames
tap       the test programs' output
"""
