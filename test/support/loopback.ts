// Preloaded into the README's blocks. Whatever host they name, their connections go to the server on loopback whose port
// is in EXAMPLE_ORIGIN_PORT, in plain HTTP, so that readers see addresses as they would write them. Those of ioredis, which
// are made by createConnection, go to the Redis whose port is in EXAMPLE_REDIS_PORT.
import dns from 'node:dns'
import net from 'node:net'
import tls from 'node:tls'

const connectToHost = net.connect
const port = Number(process.env['EXAMPLE_ORIGIN_PORT'])

function connect(options?: net.TcpNetConnectOpts): net.Socket {
  return connectToHost(options?.host === '127.0.0.1' ? options : { host: '127.0.0.1', port })
}

function createConnection(): net.Socket {
  return connectToHost({ host: '127.0.0.1', port: Number(process.env['EXAMPLE_REDIS_PORT']) })
}

function secureConnect(): net.Socket {
  const socket = connect()
  socket.once('connect', () => socket.emit('secureConnect'))
  return socket
}

function lookup(_hostname: string, options: unknown, callback?: unknown): void {
  const answer = (callback ?? options) as (error: null, addresses: dns.LookupAddress[]) => void
  queueMicrotask(() => answer(null, [{ address: '192.0.2.1', family: 4 }])) // one of those for documentation, RFC 5737
}

Object.assign(net, { connect, createConnection })
Object.assign(tls, { connect: secureConnect })
Object.assign(dns, { lookup })
