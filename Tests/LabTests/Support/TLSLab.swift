import LinuxSystem
import MeshModel
import Testing

/// A mesh whose edges bring their own TLS: every server is on bee, right ones and wrong ones side by side, so that one
/// run of `verify` judges them all.
struct TLSLab {
    let world: VerifyLab

    /// What the edges without a `name` of their own are held to is bee's endpoint.
    private static let tail = """
        services:
          web:      { on: bee, kind: http, port: 8080 }
          registry: { on: bee, kind: http, port: 5440 }
          site:     { on: bee, kind: https, port: 5441 }
          raw:      { on: bee, kind: tcp, port: 5442 }
          pg:       { on: bee, kind: postgres, port: 5450 }
          pgopen:   { on: bee, kind: postgres, port: 5451 }
          pgone:    { on: bee, kind: postgres, port: 5452 }
          expired:  { on: bee, kind: https, port: 5460 }
          renamed:  { on: bee, kind: https, port: 5461 }
          foreign:  { on: bee, kind: https, port: 5462 }
          old:      { on: bee, kind: https, port: 5463 }
          polite:   { on: bee, kind: https, port: 5464 }
          trusting: { on: bee, kind: tcp, port: 5465 }
          plain:    { on: bee, kind: http, port: 5466 }
          split:    { on: bee, kind: https, port: 5467 }
          proxy:    { on: bee, kind: https, port: 5468 }
        paths:
          data:
            edges:
              - ant -> web: wireguard
              - ant -> registry: { via: mtls, min: TLS1.3, ca: ca.pem, cert: ant.pem, key: ant.key }
              - ant -> site: { via: tls, ca: ca.pem, name: bee.example }
              - ant -> raw: { via: mtls, min: TLS1.3, ca: ca.pem, cert: ant.pem, key: ant.key }
              - ant -> pg: { via: tls, ca: ca.pem, name: bee.example }
              - ant -> pgopen: { via: tls, ca: ca.pem, name: bee.example }
              - ant -> pgone: { via: tls, ca: ca.pem, name: bee.example }
              - ant -> expired: { via: tls, ca: ca.pem, name: bee.example }
              - ant -> renamed: { via: tls, ca: ca.pem, name: cow.example }
              - ant -> foreign: { via: tls, ca: ca.pem, name: bee.example }
              - ant -> old: { via: tls, min: TLS1.3, ca: ca.pem, name: bee.example }
              - ant -> polite: { via: mtls, ca: ca.pem, cert: ant.pem, key: ant.key, name: bee.example }
              - ant -> trusting: { via: mtls, min: TLS1.3, ca: ca.pem, cert: ant.pem, key: ant.key }
              - ant -> plain: { via: tls, ca: ca.pem }
              - ant -> split: { via: tls, ca: ca.pem, name: bee.example }
              - ant -> proxy: { via: tls, ca: ca.pem, name: bee.example }
        """

    /// What the lab runs itself; it would put stand-ins on the other services' ports.
    private static let hosts = """
        services:
          web: { on: bee, kind: http, port: 8080 }
        paths:
          data: { edges: [ant -> web: wireguard] }
        lab:
          services:
            web: { prepare: mkdir -p /tmp/web, run: "exec busybox httpd -f -p [::]:8080 -h /tmp/web" }
        """

    /// Builds the hosts, makes the certificates, and starts every server.
    init(_ mesh: String, guarded isGuarded: Bool) throws {
        world = try VerifyLab(mesh, guarded: isGuarded, tail: Self.hosts)
        let bundle = try world.shell("ant", Self.certificates)
        let unpack = "mkdir -p /etc/meshproof/tls && base64 -d | tar -x -C /etc/meshproof/tls"
        try #require(try world.lab.on("bee", input: bundle, unpack).status.isSuccess)
        try world.shell(
            "owl",
            "mkdir -p /tmp/far && echo mppagefarn >/tmp/far/index.html && busybox httpd -p 9000 -h /tmp/far"
        )
        try world.shell("bee", Self.nginx)
        try world.shell("bee", Self.plainTLS)
        try world.shell("bee", Self.postgres)
        try guarded(isGuarded)
    }

    func guarded(_ isOn: Bool) throws { try world.guarded(isOn, tail: Self.tail) }

    /// What ant gets from each server, a line each: `plain` without TLS, `tls` with it and a certificate of its own, `bare`
    /// with it and without one.
    func served() throws -> Set<String> {
        let lines = try world.shell("ant", Self.client)
        return Set(lines.split(separator: "\n").map(String.init))
    }

    private static let client = """
        cd /etc/meshproof/tls
        pages() { label=$1; shift; curl -gks -m 5 "$@" | grep -ao 'mppage[0-9a-z]*n' | sed "s/^/$label /" || true; }
        for port in 5440 5441 5460 5461 5462 5463 5464 5466 5467 5468; do
            for host in 198.51.100.12 '[2001:db8:6d70::12]'; do
                pages plain http://$host:$port/
                pages bare https://$host:$port/
                pages tls --cert ant.pem --key ant.key https://$host:$port/
            done
        done
        for port in 5450 5451 5452; do
            for way in plain:disable tls:require; do
                label=${way%:*}
                PGPASSWORD=lab PGCONNECT_TIMEOUT=5 psql -At -c "select '$label mpquery$port${label}n'" \\
                    "host=198.51.100.12 port=$port user=postgres dbname=postgres sslmode=${way#*:}" 2>/dev/null || true
            done
        done
        for port in 5442 5465; do
            # The server turns each line round.
            { echo mpsaid${port}n; sleep 1; } | timeout 5 openssl s_client -connect 198.51.100.12:$port \\
                -tls1_3 -quiet 2>/dev/null | grep -ao 'n[0-9]*diaspm' | rev | sed 's/^/bare /' || true
        done
        """

    private static let certificates = """
        mkdir -p /etc/meshproof/tls && cd /etc/meshproof/tls
        new="openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config /dev/null"
        for ca in ca other; do
            $new -keyout $ca.key -out $ca.pem -subj /CN=$ca -days 90 \\
                -addext basicConstraints=critical,CA:TRUE 2>/dev/null
        done
        names=subjectAltName=DNS:bee.example,IP:198.51.100.12
        leaf() { name=$1; ca=$2; days=$3; shift 3
            $new -keyout $name.key -out $name.pem -subj /CN=$name -CA $ca.pem -CAkey $ca.key \\
                -addext basicConstraints=critical,CA:FALSE -days $days "$@" 2>/dev/null; }
        leaf bee ca 60 -addext $names
        leaf foreign other 60 -addext $names
        leaf ant ca 60
        openssl req -new -key bee.key -subj /CN=expired -config /dev/null -out expired.csr 2>/dev/null
        printf '%s\\n' $names >expired.ext
        : >index; echo 01 >serial
        printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index\\nserial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=p\\n[p]\\ncommonName=supplied\\n' >ca.conf
        openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in expired.csr -out expired.pem \\
            -startdate 20200101000000Z -enddate 20200201000000Z -extfile expired.ext -notext 2>/dev/null
        tar -c ca.pem bee.pem bee.key foreign.pem foreign.key expired.pem | base64
        """

    /// One program with most of the servers; `split` is TLS on IPv4 and clear on IPv6.
    private static let nginx = """
        server() { echo "server { listen $1 ssl; ssl_certificate /etc/meshproof/tls/$2.pem;
            ssl_certificate_key /etc/meshproof/tls/${3:-$2}.key; $4 }"; }
        page() { echo "location / { return 200 mppage$1n; }"; }
        ca='ssl_client_certificate /etc/meshproof/tls/ca.pem;'
        { echo 'worker_processes 1; error_log /tmp/nginx-error.log; pid /tmp/nginx.pid;
            events { worker_connections 256; }
            http { access_log off; ssl_protocols TLSv1.2 TLSv1.3;'
        server 5440 bee "" "$ca ssl_verify_client on; $(page 5440)"
        server 5441 bee "" "$(page 5441)"
        server 5460 expired bee "$(page 5460)"
        server 5461 bee "" "$(page 5461)"
        server 5462 foreign "" "$(page 5462)"
        server 5463 bee "" "ssl_protocols TLSv1.2; $(page 5463)"
        server 5464 bee "" "$ca ssl_verify_client optional; $(page 5464)"
        echo "server { listen 5466; $(page 5466) }"
        server 198.51.100.12:5467 bee "" "$(page 5467s)"
        echo "server { listen [2001:db8:6d70::12]:5467; $(page 5467) }"
        server 5468 bee "" "location / { proxy_pass http://198.51.100.13:9000; }"
        echo '}'; } >/tmp/nginx.conf
        nginx -c /tmp/nginx.conf
        """

    /// In TLS 1.3 the client's handshake is over before `raw` has seen whether it has a certificate; `trusting` does
    /// not mind when it has none.
    private static let plainTLS = """
        cd /etc/meshproof/tls
        for each in '5442 -Verify' '5465 -verify'; do
            set -- $each
            setsid openssl s_server -accept $1 -cert bee.pem -key bee.key -CAfile ca.pem $2 1 \\
                -verify_return_error -tls1_3 -rev -quiet </dev/null >/dev/null 2>&1 &
        done
        """

    /// Three servers of one kind; who may come in, and how, tells them apart.
    private static let postgres = """
        bin=/usr/lib/postgresql/15/bin; base=/var/lib/lab-pg
        install -d -m 0700 -o postgres -g postgres $base
        echo lab >$base/password
        runuser -u postgres -- $bin/initdb --pgdata=$base/5450 --auth=trust --pwfile=$base/password --encoding=UTF8 --no-locale --no-sync >/dev/null
        install -m 0600 -o postgres -g postgres /etc/meshproof/tls/bee.key $base/5450/server.key
        install -m 0600 -o postgres -g postgres /etc/meshproof/tls/bee.pem $base/5450/server.crt
        cp -a $base/5450 $base/5451; cp -a $base/5450 $base/5452
        echo 'hostssl all all all scram-sha-256' >$base/5450/pg_hba.conf
        printf 'hostssl all all all scram-sha-256\\nhost all all all scram-sha-256\\n' >$base/5451/pg_hba.conf
        printf 'hostssl all app all scram-sha-256\\nhostnossl all app all reject\\nhost all all all scram-sha-256\\n' >$base/5452/pg_hba.conf
        for port in 5450 5451 5452; do
            setsid runuser -u postgres -- $bin/postgres -D $base/$port -c port=$port -c ssl=on \\
                -c 'listen_addresses=*' -c unix_socket_directories=$base -c fsync=off \\
                </dev/null >/tmp/pg-$port.log 2>&1 &
        done
        for port in 5450 5451 5452; do
            for i in $(seq 200); do $bin/pg_isready -q -h 127.0.0.1 -p $port && continue 2; sleep 0.2; done
            cat /tmp/pg-$port.log >&2; exit 1
        done
        """
}
