# cut-after-load.sh - the power goes as soon as a load was answered.
. ./cut.sh
announce
check 'the third image' docker load --input /share/third.tar
power_cut
