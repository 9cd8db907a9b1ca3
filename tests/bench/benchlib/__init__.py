"""The benchmark's parts.

wire      the party's veths as wires, bridges
softlan   the systems: softlan, and what has no encryption (VXLAN, a bare veth)
peers     the systems: OpenVPN, tinc, fastd
measure   one TCP stream, pings idle and beside it, the relay's CPU
frames    the most small UDP frames per second that arrive
verdict   reference figures, thresholds, what passed
report    table and JSON
"""
