# shellcheck shell=bash
# What the steps of bin/demo are made of. Sourced by it, with `root` set to the repository.
#
# The nodes' logs are the evidence: read_logs takes in each new line, shows it, and keeps who is connected to whom.
# Every wait reads them until something holds, within a limit; and whenever they say that a node left which was not
# expected to, the demo has failed.

polling_interval=1000
disconnect_after=1000
# A member is disconnected after disconnect_after and as much again, which it has to leave by itself. For so long and a
# little longer nothing may happen. Not much longer: the more often nodes ask in vain, the longer they pause.
window=$((disconnect_after * 2 + 300))

keep=no
work=          # the temporary folder
api_pid=       # the fake API server ...
api_url=       # ... where the nodes find it ...
control=       # ... and where this script does ...
control_address= # ... as HOST:PORT
step_number=0
named_at=0     # when the EndpointSlice was last written, in µs
newcomers=     # the pods it named then for the first time, while their joins are measured
slowest=0      # of these joins, in µs
requests=0     # how many the API had seen before
latencies=()   # of all joins measured: from the write until a node said so, in µs
meanwhile=0    # how many requests the API saw during all of them
well_at=0      # when the API was well again, in ms
dist_port=     # the same for all nodes
began=0        # after the build, in ms
failure=       # what fail said, so that the end does not say it again
interrupted=   # by Ctrl-C or another signal
trouble=       # the last command that failed
leaver=        # the node that is expected to leave
by_hand=no     # whether the user may make any node leave
nodes=()       # all that were started
running=()     # those of them that are to be alive
declare -A pid=() log=() partial=()        # by node
declare -A joins=() leaves=() warnings=()  # by node: how many of its lines said so
declare -A connected=()                    # "NODE OTHER", as NODE says
declare -A before=()                       # by node: a count at the start of a step

# --- the stage ----------------------------------------------------------------------------------------------------

prepare() {
  case "$#:${1:-}" in
    0:) ;;
    1:--keep) keep=yes ;;
    1:-h | 1:--help)
      sed -n '2,/^set /{s/^# \{0,1\}//p}' "$root/bin/demo"
      exit 0
      ;;
    *)
      echo "usage: bin/demo [--keep]" >&2
      exit 2
      ;;
  esac

  # On other systems only 127.0.0.1 is there.
  [ "$(uname -s)" = Linux ] || setup_fail "the demo gives each node a loopback address of its own, which needs Linux"
  ((BASH_VERSINFO[0] >= 5)) || setup_fail "the demo needs bash 5 or later, this is $BASH_VERSION"

  choose_colours
  setup_tools
  setup_environment
  choose_port

  trap finish EXIT
  trap 'trouble="${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND"' ERR
  trap 'interrupted=yes; exit 129' HUP
  trap 'interrupted=yes; exit 130' INT
  trap 'interrupted=yes; exit 143' TERM

  work="$(mktemp -d "${TMPDIR:-/tmp}/libcluster_kubernetes-demo.XXXXXX")"

  # The nodes are to have the settings given here, not those of the caller's shell.
  unset "${!HELLO_@}" "${!RELEASE_@}" "${!KUBERNETES_SERVICE_@}" POD_IP POD_NAME NAMESPACE CLUSTER_DOMAIN
  unset ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS
}

build() {
  local start
  start="$(now)"
  say "building the fake API server, the NIF and the release (the first time takes a minute or two) ..."
  if ! setup_build_alone build_all </dev/null; then
    tail -n 30 "$work/build.log"
    fail "the build failed, see above"
  fi
  [ -s "$work/release/releases/COOKIE" ] || fail "the release has no cookie, so its nodes would not trust each other"
  ok "built in $(seconds_since "$start")"
  began="$(now)"
}

build_all() {
  build_fake_apiserver >"$work/build.log" 2>&1 && build_release >>"$work/build.log" 2>&1
}

build_fake_apiserver() {
  cargo build --quiet --locked --package fake_apiserver --manifest-path "$root/Cargo.toml"
}

# The release goes to a folder of its own: one that runs must not be overwritten by the next build.
build_release() {
  (
    cd "$root/examples/hello_cluster" || exit
    export MIX_ENV=prod
    mix deps.get && mix release --overwrite --quiet --path "$work/release"
  )
}

choose_port() {
  local attempt
  if [ -n "${HELLO_DIST_PORT:-}" ]; then
    dist_port="$HELLO_DIST_PORT"
    [[ "$dist_port" =~ ^[1-9][0-9]{0,4}$ ]] || fail "HELLO_DIST_PORT is $dist_port, but must be a port number"
    port_is_free || fail "HELLO_DIST_PORT is $dist_port, but something listens there already on one of 127.0.0.2 to 127.0.0.9"
    return
  fi
  # Below the ports that the kernel gives to outgoing connections.
  for attempt in {1..50}; do
    dist_port=$((20000 + RANDOM % 10000))
    if port_is_free; then return; fi
  done
  fail "no free port between 20000 and 29999 after $attempt attempts; choose one with HELLO_DIST_PORT"
}

port_is_free() {
  local last
  for last in {2..9}; do
    if (: <>"/dev/tcp/127.0.0.$last/$dist_port") 2>/dev/null; then return 1; fi
  done
}

# --- the API server -----------------------------------------------------------------------------------------------

start_api() {
  local server="$CARGO_TARGET_DIR/${CARGO_BUILD_TARGET:-}/debug/fake_apiserver"
  mkdir "$work/api"
  "$server" --dir "$work/api" </dev/null >"$work/api/ready" 2>"$work/api.log" &
  api_pid=$!
  disown "$api_pid" # or bash has its own words about how it ends
  wait_until 10 "the fake API server is ready" api_is_ready
  api_url="$(ready_field url)"
  control="$(ready_field control)"
  control_address="${control#http://}"
  name_in_api # nobody
  ok "API server $api_url (fake), its EndpointSlice names no pod yet"
}

api_is_ready() { [ -n "$(ready_field control)" ]; }
ready_field() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p' "$work/api/ready"; }

# control METHOD PATH [BODY]: prints the answer.
control() {
  local answer
  if ! answer="$(curl -sS --noproxy '*' --max-time 10 -w '\n%{http_code}' -X "$1" "$control$2" ${3:+--data "$3"})" ||
    [ "${answer##*$'\n'}" != 200 ]; then
    echo "the fake API server's control port refused $1 $2: $answer" >&2
    return 1
  fi
  printf '%s\n' "${answer%$'\n'*}"
}

# name_in_api ADDRESS...: makes these, and no others, the endpoints of the EndpointSlice.
# shellcheck disable=SC2120
name_in_api() {
  local slice answer fd LC_ALL=C
  slice="$(slice_of "$@")"
  exec {fd}<>"/dev/tcp/${control_address/:/\/}"
  printf 'PUT %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' \
    "$slice_path" "$control_address" "${#slice}" "${slice%?}" >&"$fd"
  # The last byte goes later and alone, so that the time begins with it and not with the start of curl.
  sleep 0.05
  named_at="${EPOCHREALTIME/[.,]/}"
  printf '%s' "${slice: -1}" >&"$fd"
  answer="$(tr -d '\r' <&"$fd")"
  exec {fd}>&-
  [[ "$answer" == "HTTP/1.1 200 "* ]] || fail "the fake API server refused an EndpointSlice: $answer"
}

slice_path=/objects/endpointslices/default/hello-cluster-1

slice_of() {
  local address endpoints=
  for address in "$@"; do endpoints+=",{\"addresses\":[\"$address\"],\"conditions\":{\"ready\":true}}"; done
  printf '{"metadata":{"labels":{"app":"hello-cluster"}},"addressType":"IPv4","endpoints":[%s]}' "${endpoints#,}"
}

# announce POD...: names them in the API, next to what is named there, and measures when the nodes say that they joined.
announce() {
  newcomers="$*" slowest=0
  requests="$(requests_made)"
  name_in_api "${running[@]}"
}

requests_made() { control GET /journal/summary | sed 's/.*"requests":\([0-9]*\).*/\1/'; }

# A node that starts connects to all it finds, whether or not they know of it yet. To measure the watches of the others,
# its own list gets no answer until they have connected; those that watch do not list.
hold_lists() { control PUT /faults '[{"at":"request","verb":"list","do":"hang"}]' >/dev/null; }
expect_held() { wait_until 20 "$1 lists" has_asked "$1"; }
release_lists() { control DELETE /faults >/dev/null; }
has_asked() { [ -n "$(requests_of "$1")" ]; }

api_dies() {
  keep_counts warnings_of
  control PUT /listening false >/dev/null
  ok "the API's port is closed, with every connection to it"
}

api_is_back() {
  keep_counts watches_opened
  well_at="$(now)"
  control PUT /listening true >/dev/null
  ok "the API's port is open again; nodes that asked in vain pause at random before they ask again"
}

# What the API sends by itself every minute: only then is an outage over for a node, and its pauses begin small again.
send_bookmarks() { control POST /bookmark >/dev/null; }

api_forbids() {
  keep_counts lists_answered 403
  control PUT /faults "$forbid" >/dev/null
  control POST /watches/end >/dev/null
  ok "every watch is ended, and every request answered 403"
}

forbid='[{"at":"request","do":{"status":{"code":403}}}]'

api_is_well() {
  well_at="$(now)"
  keep_counts lists_answered 200
  control DELETE /faults >/dev/null
  ok "the API answers as before; nodes whose watch was refused list every $polling_interval ms and try to watch again, after seconds at first"
}

# Each node has a token of its own, so that the journal tells whose a request is.
requests_of() { control GET /journal | sed 's/},{"at_ms"/},\n{"at_ms"/g' | grep -F "\"user\":\"pod $1\"" || true; }
lists_of() { requests_of "$1" | grep -v '"watch":true' || true; }
watches_of() { requests_of "$1" | grep '"watch":true' || true; }

lists_answered() { lists_of "$1" | grep -c "\"status\":$2[,}]" || true; }
watches_opened() { watches_of "$1" | grep -c '"status":200[,}]' || true; }
warnings_of() { echo "${warnings[$1]}"; }

# keep_counts COUNT [ARGUMENT], grew COUNT [ARGUMENT]: whether COUNT NODE ARGUMENT has grown since, for every node
keep_counts() {
  local node
  before=()
  for node in "${running[@]}"; do
    before[$node]="$("$1" "$node" "${@:2}")"
  done
}

grew() {
  local node
  for node in "${running[@]}"; do
    (($("$1" "$node" "${@:2}") > ${before[$node]:-0})) || return 1
  done
}

every_node_watches() { grew watches_opened; }
every_node_noticed() { grew warnings_of; }
every_node_was_refused() { grew lists_answered 403; }
every_node_was_answered() { grew lists_answered 200; }

# --- the nodes ----------------------------------------------------------------------------------------------------

start_nodes() {
  local node
  for node in "$@"; do start_node "$node"; done
  wait_until 30 "$* started" all_started "$@"
}

start_node() {
  local node=$1 folder="$work/$1" fd
  mkdir -p "$folder/serviceaccount"
  cp "$work/api/serviceaccount/"{ca.crt,namespace} "$folder/serviceaccount/"
  printf 'token-of-%s' "$node" >"$folder/serviceaccount/token"
  control PUT "/tokens/token-of-$node" "{\"user\":\"pod $node\",\"rules\":[
    {\"verbs\":[\"list\",\"watch\"],\"resources\":[\"endpointslices\"],\"namespaces\":[\"default\"]}]}" >/dev/null

  : >"$work/$node.log"
  exec {fd}<"$work/$node.log"
  log[$node]=$fd partial[$node]='' joins[$node]=0 leaves[$node]=0 warnings[$node]=0

  # In a session of its own, so that Ctrl-C reaches this script only, which then ends the nodes in order.
  (
    cd "$folder" || exit
    environment "$folder/serviceaccount"
    export POD_IP="$node" RELEASE_TMP="$folder" HELLO_TIMESTAMPS=true
    exec setsid "$work/release/bin/hello_cluster" start
  ) </dev/null >>"$work/$node.log" 2>&1 &
  pid[$node]=$!
  disown "${pid[$node]}"
  nodes+=("$node")
  running+=("$node")
}

# What all nodes have in common. environment SERVICE_ACCOUNT
environment() {
  export HELLO_MASTER="$api_url" HELLO_SERVICE_ACCOUNT="$1" HELLO_LOOKUP=endpoint_slices HELLO_DIST_PORT="$dist_port"
  export HELLO_POLLING_INTERVAL="$polling_interval" HELLO_DISCONNECT_AFTER="$disconnect_after"
}

all_started() {
  local node
  for node in "$@"; do
    [ -n "${connected[$node $node]:-}" ] || return 1
  done
}

stop_node() {
  local node=$1 other left=()
  for other in "${running[@]}"; do
    if [ "$other" != "$node" ]; then left+=("$other"); fi
  done
  running=("${left[@]}")
  kill -TERM "${pid[$node]}"
  wait_until 10 "$node stopped" has_ended "${pid[$node]}"
  unset "connected[$node $node]"
  leaver=
  ok "its release is stopped now, which the others do not notice"
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }

# --- what is expected of them -------------------------------------------------------------------------------------

# What a node was told before it watched came from its list.
expect_watching() {
  wait_until 40 "every node watches" every_node_watches
  if ((well_at)); then ok "every node watches again, the last one $(seconds_since "$well_at") after the API was well"; fi
}

expect_joined() {
  wait_until 20 "every node has joined every other" is_mesh
  ok "$1 are connected to each other"
}

expect_told() {
  local made
  wait_until 20 "every node has joined every other" is_mesh
  made=$(($(requests_made) - requests))
  meanwhile=$((meanwhile + made))
  newcomers=
  ok "$1 are connected to each other, $(milliseconds "$slowest") after the write to the API; API requests of all nodes meanwhile: $made"
}

# Whether every running node is connected to all others, and nothing else is connected.
is_mesh() {
  local node other
  for node in "${running[@]}"; do
    for other in "${running[@]}"; do
      [ -n "${connected[$node $other]:-}" ] || return 1
    done
  done
  ((${#connected[@]} == ${#running[@]} * ${#running[@]}))
}

expect_to_leave() {
  read_logs # what it said before is not about this
  leaver=$1
}

expect_left() {
  wait_until 20 "$1 has left" is_alone "$1"
  ok "it left by itself, $(since_named) ms after the EndpointSlice named it last (kubernetes_disconnect_after: $disconnect_after ms)"
  # Until the others would have disconnected it.
  wait_until 20 "the others' time is up" is_time_and $((named_at / 1000 + window)) is_alone "$1"
  ok "no other node lost a link, and none disconnected it"
}

# Whether the node is connected to nobody, and all others are connected to each other.
is_alone() {
  local alone=$1 pair
  for pair in "${!connected[@]}"; do
    if [[ " $pair " == *" $alone "* && "$pair" != "$alone $alone" ]]; then return 1; fi
  done
  ((${#connected[@]} == (${#running[@]} - 1) * (${#running[@]} - 1) + 1))
}

# watch_nothing_happen CONDITION WHAT: until CONDITION holds, else it proves nothing, and then for as long as the window.
watch_nothing_happen() {
  local start noticed
  start="$(now)"
  wait_until 20 "$1" "$1"
  noticed="$(now)"
  say "every node noticed, the last one after $(seconds $((noticed - start))); for $(seconds "$window") more nobody may leave ..."
  wait_until 20 "the time is up" is_time_and $((noticed + window)) is_mesh
  ok "in the $(seconds_since "$start") that $2 no link was lost (kubernetes_disconnect_after: $(seconds "$disconnect_after"))"
}

is_time_and() { (($(now) >= $1)) && "${@:2}"; }

expect_answers_again() {
  say "waiting until every node has asked again ..."
  wait_until 40 "every node has an answer again" every_node_was_answered
  is_mesh || fail "not all nodes are connected"
  ok "every node has answers again, the last one $(seconds_since "$well_at") after the API was well"
}

# --- reading the logs ---------------------------------------------------------------------------------------------

# wait_until SECONDS WHAT COMMAND...: reads the logs until COMMAND holds
wait_until() {
  local limit=$1 what=$2 end=$(($(now) + $1 * 1000))
  shift 2
  read_logs
  until "$@"; do
    check_alive
    (($(now) < end)) || fail "waited $limit s in vain: $what"
    sleep 0.02
    read_logs
  done
}

check_alive() {
  local node
  if has_ended "$api_pid"; then fail "the fake API server has ended: $(tail -n 3 "$work/api.log")"; fi
  for node in "${running[@]}"; do
    if has_ended "${pid[$node]}"; then fail "the node $node has ended"; fi
  done
}

read_logs() {
  local node line
  # What happens to all at once is to be read from the node first that caused it.
  for node in $leaver "${nodes[@]}"; do
    # A line may be written in two halves.
    while IFS= read -r -u "${log[$node]}" line; do
      line="${partial[$node]}$line"
      partial[$node]=
      take_line "$node" "$line"
    done
    partial[$node]+="$line"
  done
}

take_line() {
  local node=$1 line=$2 event other size at latency=
  if [[ "$line" =~ ^hello_cluster@$node:\ (started|joined|left)(\ hello_cluster@([0-9.]+))?\ \((.*)\)\ at\ ([0-9.]+)$ ]]; then
    event="${BASH_REMATCH[1]}" other="${BASH_REMATCH[3]}" size="${BASH_REMATCH[4]}" at="${BASH_REMATCH[5]/./}"
    if [[ "$event" == joined && " $newcomers " == *" $other "* ]]; then take_latency $((at - named_at)); fi
    show_event "$node" "$event" "$other" "$size" "$latency"
    take_event "$node" "$event" "$other"
  elif [[ "$line" =~ \[([a-z]+)\]\ \[libcluster:hello_cluster\]\ (.*)$ ]]; then
    take_log "$node" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  fi
}

take_latency() {
  latency=$1
  latencies+=("$1")
  if (($1 > slowest)); then slowest=$1; fi
}

take_event() {
  local node=$1 event=$2 other=$3
  case "$event" in
    started) connected[$node $node]=yes ;;
    joined)
      connected[$node $other]=yes
      joins[$node]=$((joins[$node] + 1))
      ;;
    left)
      unset "connected[$node $other]"
      leaves[$node]=$((leaves[$node] + 1))
      if [[ "$by_hand" == no && "$leaver" != "$node" && "$leaver" != "$other" ]]; then
        check_alive # a node that crashed is another failure
        fail "a false disconnect: $node lost $other"
      fi
      ;;
  esac
}

take_log() {
  local node=$1 level=$2 text=$3
  if [[ "$level" == warn* ]]; then warnings[$node]=$((warnings[$node] + 1)); fi
  if [[ "$by_hand" == no && "$text" == disconnect* && "$node" != "$leaver" ]]; then fail "a false disconnect, by $node: $text"; fi
  # One node speaks for all, and the one that leaves for itself.
  if [[ "$node" == "${running[0]}" || "$node" == "$leaver" ]] && [[ ! "$text" =~ ^connected\ to ]]; then
    show_log "$node" "$level" "$text"
  fi
}

# --- the end ------------------------------------------------------------------------------------------------------

summary() {
  local node lists watches all_joins=0 all_leaves=0 all_lists=0 all_watches=0 sorted
  printf '\n%sSummary%s\n' "$bold" "$plain"
  printf '  %-12s %8s %8s %8s %8s\n' node joins leaves lists watches
  for node in "${nodes[@]}"; do
    lists="$(lists_of "$node" | wc -l)" watches="$(watches_of "$node" | wc -l)"
    printf '  %-12s %8d %8d %8d %8d\n' "$node" "${joins[$node]}" "${leaves[$node]}" "$lists" "$watches"
    all_joins=$((all_joins + joins[$node])) all_leaves=$((all_leaves + leaves[$node]))
    all_lists=$((all_lists + lists)) all_watches=$((all_watches + watches))
  done
  printf '  %-12s %8d %8d %8d %8d\n' "${#nodes[@]} nodes" "$all_joins" "$all_leaves" "$all_lists" "$all_watches"
  mapfile -t sorted < <(printf '%s\n' "${latencies[@]}" | sort -n)
  printf '  %d joins by watching, from the write to the API until a node said so: min %s, median %s, worst %s; API requests meanwhile: %d\n' \
    "${#sorted[@]}" "$(milliseconds "${sorted[0]}")" "$(milliseconds "${sorted[${#sorted[@]} / 2]}")" \
    "$(milliseconds "${sorted[-1]}")" "$meanwhile"
  printf '  false disconnects: 0\n'
  ok "all as it should be, in $(seconds_since "$began") after the build"
}

stay_up() {
  local run="$work/release/bin/hello_cluster" put="curl -X PUT" more
  # curl would ask a proxy for a loopback address, too.
  if env | grep -qi '^\(http\|all\)_proxy='; then put="curl --noproxy '*' -X PUT"; fi
  (environment "$work/api/serviceaccount" && export -p | grep -E ' (HELLO_|LC_ALL)') >"$work/env"
  more=("${running[@]}" 127.0.0.8)
  cat <<END

${bold}The cluster stays up until Ctrl-C: ${running[*]}${plain}
In another terminal, each line as it is:

  # One node more, which ends with Ctrl-C there. It joins those that it finds, though they do not find it yet.
  (. '$work/env' && POD_IP=127.0.0.8 '$run' start)

  # Add its pod: the EndpointSlice with 127.0.0.8
  $put $control$slice_path -d '$(slice_of "${more[@]}")'

  # Remove it, while it lives: the EndpointSlice without 127.0.0.8
  $put $control$slice_path -d '$(slice_of "${running[@]}")'

  # Close the API's port, and open it
  $put $control/listening -d false
  $put $control/listening -d true

  # Answer 403, and answer as before
  $put $control/faults -d '$forbid'
  $put $control/faults -d '[]'

  # Ask a node
  (. '$work/env' && POD_IP=127.0.0.2 '$run' rpc 'IO.inspect(Node.list())')

What the nodes say:
END
  trap 'echo; exit 0' INT TERM HUP
  by_hand=yes
  while read_logs; do
    sleep 0.1
  done
}

# Whatever happens, what was started ends, and the temporary folder goes unless it is needed to see what failed.
finish() {
  local status=$?
  trap - ERR
  trap '' HUP INT TERM
  set +e
  if [ -n "$interrupted" ]; then printf '\n  interrupted\n'; fi
  end_all
  if [ "$status" = 0 ] || [ -n "$interrupted" ]; then
    rm -rf "$work"
    exit "$status"
  fi
  show_failure "$status"
  rm -rf "$work/release"
  exit 1
}

show_failure() {
  local file
  if [ -z "$failure" ]; then printf '  %s✗ %s (exit status %d)%s\n' "$red" "$trouble" "$1" "$plain"; fi
  for file in "$work"/*.log; do
    if [ "$file" = "$work/build.log" ]; then continue; fi
    [ -s "$file" ] || continue
    printf '\n  The last lines of %s:\n' "${file##*/}"
    tail -n 8 "$file" | sed '/^$/d; s/^/    /'
  done
  printf '\nAll logs are in %s\n' "$work"
}

end_all() {
  local process processes=("${pid[@]}") attempt
  if [ -n "$api_pid" ]; then processes+=("$api_pid"); fi
  for process in "${processes[@]}"; do kill -TERM "$process" 2>/dev/null; done
  for attempt in {1..100}; do
    any_alive "${processes[@]}" || break
    sleep 0.05
  done
  for process in "${processes[@]}"; do kill -KILL "$process" 2>/dev/null; done
}

any_alive() {
  local process
  for process in "$@"; do
    has_ended "$process" || return 0
  done
  return 1
}

# --- words --------------------------------------------------------------------------------------------------------

choose_colours() {
  bold='' dim='' red='' green='' plain=''
  if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
  fi
}

step() {
  step_number=$((step_number + 1))
  printf '\n%s%d. %s%s\n' "$bold" "$step_number" "$1" "$plain"
}

say() { printf '  %s\n' "$1"; }
ok() { printf '  %s✓%s %s\n' "$green" "$plain" "$1"; }

fail() {
  failure=$1
  printf '  %s✗ %s%s\n' "$red" "$1" "$plain"
  exit 1
}

show_event() {
  if [ "$2" = started ]; then
    printf '    %s%-11s started%s\n' "$dim" "$1" "$plain"
  else
    printf '    %s%-11s %-6s %-11s (%s)%s%s\n' "$dim" "$1" "$2" "$3" "$4" "${5:+  $(milliseconds "$5")}" "$plain"
  fi
}

show_log() {
  local line lead
  lead="$(printf '%-11s [%s]' "$1" "$2")"
  fold -s -w 96 <<<"$3" | while IFS= read -r line; do
    printf '    %s%s %s%s\n' "$dim" "$lead" "${line% }" "$plain"
    lead="$(printf '%*s' "${#lead}" '')"
  done
}

now() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
seconds() { printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100)); }
milliseconds() { printf '%d.%d ms' $(($1 / 1000)) $(($1 % 1000 / 100)); }
since_named() { echo $(($(now) - named_at / 1000)); }
seconds_since() { seconds $(($(now) - $1)); }
