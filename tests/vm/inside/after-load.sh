# after-load.sh - what was answered is kept.
. ./whole.sh
engine
check 'all images are there' is "$(listed)" 'first second third '
check 'every one is whole' all_whole
check 'containers are removed' sh -c 'docker rm -f $(docker ps -aq)'
check 'images are removed' docker rmi first second third
empty() { [ -z "$(ls /var/lib/jocker/layers /var/lib/jocker/trash | grep -v :)" ]; }
check 'no layer is left' eventually empty
