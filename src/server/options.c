#include "server/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char options_help[] =
    "usage: stax-server [options]\n"
    "\n"
    "Records programs and answers questions about them while they run. The `stax` command talks to it.\n"
    "\n"
    "  --socket PATH           listen there (default: $STAX_SERVER_SOCKET,\n"
    "                          else $XDG_RUNTIME_DIR/stax-server.sock,\n"
    "                          else /tmp/stax-server-$UID.sock)\n"
    "  --ready-fd N            write one byte to descriptor N once it listens, and close it\n"
    "  --connection-fd N       serve the client at the other end of descriptor N, a socket; listen\n"
    "                          nowhere, and leave when it has gone; may be given several times\n"
    "  --ws-bind HOST:PORT     serve browsers there, by HTTP and WebSocket; port 0 is any free one;\n"
    "                          `none`: nowhere (default: $STAX_SERVER_WS_BIND,\n"
    "                          else 127.0.0.1:8080); `stax ui` opens the page\n"
    "  --ws-allow-remote       let HOST be an address that other machines can reach. The token and\n"
    "                          all answers then cross the network unencrypted: whoever reads along\n"
    "                          can do with this server what you can; `ssh -L` is the safe way\n"
    "  --quiet                 print errors and warnings only\n"
    "  --runs-dir DIR          keep runs there (default: $XDG_STATE_HOME/stax/runs,\n"
    "                          else ~/.local/state/stax/runs); '' keeps them in memory only\n"
    "  --replay FILE           start with a run that is read from an event stream\n"
    "  --tap FILE              also write every event of the replay or recording to FILE;\n"
    "                          each recording starts the file anew\n"
    "  --print-protocol WHAT   print the protocol as openrpc, md or ts, and exit\n"
    "  -h, --help              this text\n"
    "  -V, --version           the version\n"
    "\n"
    "Of the kept runs the oldest go beyond $STAX_KEEP_RUNS of them (default 100), or beyond\n"
    "$STAX_KEEP_BYTES (default 4G).\n";

enum {
    OPTION_SOCKET = 1000,
    OPTION_READY_FD,
    OPTION_REPLAY,
    OPTION_TAP,
    OPTION_PROTOCOL,
    OPTION_RUNS,
    OPTION_CONNECTION,
    OPTION_QUIET,
    OPTION_WS_BIND,
    OPTION_WS_ALLOW_REMOTE
};

static int parse_descriptor(const char *option, const char *text, int *ret, struct err *reterr)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || *end != 0 || end == text || value < 0 || value > INT_MAX) {
        return err_set(reterr, EINVAL, "%s takes the number of a descriptor, not '%s'", option,
                       text);
    }
    if (fcntl((int)value, F_GETFD) < 0) {
        return err_set(reterr, EBADF, "%s %ld is not an open descriptor", option, value);
    }
    *ret = (int)value;
    return 0;
}

static int add_connection(const char *text, struct options *ret, struct err *reterr)
{
    if (ret->n_connections == OPTIONS_CONNECTIONS_MAX) {
        return err_set(reterr, EINVAL, "--connection-fd can be given %d times",
                       OPTIONS_CONNECTIONS_MAX);
    }
    return parse_descriptor("--connection-fd", text, &ret->connection_fds[ret->n_connections++],
                            reterr);
}

static int parse_protocol(const char *text, enum print_protocol *ret, struct err *reterr)
{
    if (strcmp(text, "openrpc") == 0) {
        *ret = PRINT_OPENRPC;
    } else if (strcmp(text, "md") == 0) {
        *ret = PRINT_MARKDOWN;
    } else if (strcmp(text, "ts") == 0) {
        *ret = PRINT_TYPESCRIPT;
    } else {
        return err_set(reterr, EINVAL, "--print-protocol takes openrpc, md or ts, not '%s'", text);
    }
    return 0;
}

int options_parse(int argc, char **argv, struct options *ret, struct err *reterr)
{
    static const struct option long_options[] = {
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"ready-fd", required_argument, NULL, OPTION_READY_FD},
        {"replay", required_argument, NULL, OPTION_REPLAY},
        {"tap", required_argument, NULL, OPTION_TAP},
        {"runs-dir", required_argument, NULL, OPTION_RUNS},
        {"connection-fd", required_argument, NULL, OPTION_CONNECTION},
        {"ws-bind", required_argument, NULL, OPTION_WS_BIND},
        {"ws-allow-remote", no_argument, NULL, OPTION_WS_ALLOW_REMOTE},
        {"quiet", no_argument, NULL, OPTION_QUIET},
        {"print-protocol", required_argument, NULL, OPTION_PROTOCOL},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    *ret = (struct options){.ready_fd = -1};
    opterr = 0;
    int r = 0;
    for (int option;
         r == 0 && (option = getopt_long(argc, argv, ":hV", long_options, NULL)) != -1;) {
        switch (option) {
        case OPTION_SOCKET:
            ret->socket_path = optarg;
            break;
        case OPTION_READY_FD:
            r = parse_descriptor("--ready-fd", optarg, &ret->ready_fd, reterr);
            break;
        case OPTION_REPLAY:
            ret->replay_path = optarg;
            break;
        case OPTION_TAP:
            ret->tap_path = optarg;
            break;
        case OPTION_CONNECTION:
            r = add_connection(optarg, ret, reterr);
            break;
        case OPTION_WS_BIND:
            ret->ws_bind = optarg;
            break;
        case OPTION_WS_ALLOW_REMOTE:
            ret->ws_allow_remote = true;
            break;
        case OPTION_QUIET:
            ret->quiet = true;
            break;
        case OPTION_RUNS:
            ret->runs_folder = optarg;
            break;
        case OPTION_PROTOCOL:
            r = parse_protocol(optarg, &ret->print_protocol, reterr);
            break;
        case 'h':
            ret->help = true;
            break;
        case 'V':
            ret->version = true;
            break;
        case ':':
            return err_set(reterr, EINVAL, "%s needs a value; see stax-server --help",
                           argv[optind - 1]);
        default:
            return err_set(reterr, EINVAL, "unknown option %s; see stax-server --help",
                           argv[optind - 1]);
        }
    }
    if (r == 0 && optind < argc) {
        return err_set(reterr, EINVAL, "stax-server takes no arguments, but got '%s'",
                       argv[optind]);
    }
    return r;
}

int options_web_address(const struct options *options, struct web_address *ret, struct err *reterr)
{
    const char *origin = "--ws-bind";
    const char *text = options->ws_bind;
    if (text == NULL) {
        origin = "STAX_SERVER_WS_BIND";
        text = getenv(origin);
    }
    if (text == NULL || text[0] == 0) {
        text = "127.0.0.1:8080";
    }
    if (strcmp(text, "none") == 0) {
        return OPTIONS_NO_WEB;
    }
    int r = web_address_parse(text, ret, reterr);
    if (r < 0) {
        err_prefix(reterr, "%s", origin);
        return r;
    }
    if (!ret->is_loopback && !options->ws_allow_remote) {
        return err_set(reterr, EINVAL,
                       "%s: other machines could reach %s; use a loopback address and `ssh -L`, or "
                       "add --ws-allow-remote (see stax-server --help)",
                       origin, text);
    }
    return OPTIONS_WEB;
}
