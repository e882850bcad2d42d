# cut.sh - the end of the machine's power: nothing is written any more.

# announce: the last word of a boot that ends in a cut, which may take with it what is still on its way out.
announce() {
    [ "$failures" = 0 ] || journalctl --no-pager -u jockerd -n 80 | cut -c1-300
    echo 'all parts were run'
    echo 1 > /proc/sys/kernel/sysrq
    sleep 0.5
}

power_cut() {
    [ "$failures" = 0 ] || sleep 1
    echo b > /proc/sysrq-trigger
    sleep 60
}
