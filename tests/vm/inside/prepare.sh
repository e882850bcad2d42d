# prepare.sh - images and containers whose fate after a power cut is known.

engine
must 'the first image' docker load --input /share/first.tar
docker run -d --name plain first sleep 1000
docker run -d --name always --restart always first sleep 1000
docker run -d --name stopped --restart unless-stopped first sleep 1000
docker run --name ended first sh -c 'exit 7'
docker run -d --name written first sh -c 'echo run >> /file; sync; sleep 1000'
check 'one is stopped by hand' docker stop -t 0 stopped
eventually docker exec written cat /file
sync
