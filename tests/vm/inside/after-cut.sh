# after-cut.sh - what a power cut has left: legal states, restart policies, whole images.
. ./whole.sh
engine
check 'what was answered is there' has "$(listed)" first
check 'every listed image is whole' all_whole
check 'a plain container is exited' is "$(shown plain '{{.State.Status}} {{.State.ExitCode}}')" 'exited 255'
check 'one that always restarts runs' eventually running always
check 'one that was stopped by hand does not' is "$(shown stopped '{{.State.Status}}')" exited
check 'one that had ended keeps its code' is "$(shown ended '{{.State.ExitCode}}')" 7
check 'it starts again' docker start written
twice() { is "$(docker exec written cat /file | tr '\n' ' ')" 'run run '; }
check 'it has what it had synced' eventually twice
# Partial blobs wait for a pull that goes on with them.
check 'what is no blob is swept' is "$(ls /var/lib/jocker/ingest | grep -vc '[.]partial$')" 0
check 'the image is loaded after all' docker load --input /share/second.tar
check 'then it is whole' all_whole
