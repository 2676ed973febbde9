<?php

namespace App;

use Illuminate\Auth\AuthenticationException;
use Illuminate\Database\Eloquent\ModelNotFoundException;
use Illuminate\Foundation\Exceptions\Handler as ExceptionHandler;
use Symfony\Component\HttpKernel\Exception\HttpException;
use Symfony\Component\HttpKernel\Exception\NotFoundHttpException;

/** Gives the errors that the platform documents their envelope. All others are the framework's, as it writes them. */
class Handler extends ExceptionHandler
{
    public function register()
    {
        if (getenv('APP_PLAIN_ERRORS')) {
            return;
        }
        $this->renderable(fn (AuthenticationException $e) => $this->envelope(401, 'API Token is invalid.'));
        $this->renderable(function (NotFoundHttpException $e) {
            if ($e->getPrevious() instanceof ModelNotFoundException) {
                return $this->envelope(403, 'Contact not found');
            }
        });
        $this->renderable(fn (HttpException $e) => match ($e->getStatusCode()) {
            403 => $this->envelope(403, $e->getMessage()),
            405 => $this->envelope(405, '405 Method Not Allowed.', $e->getHeaders()),
            429 => $this->envelope(429, 'Too many requests', $e->getHeaders()),
            default => null,
        });
    }

    private function envelope($status, $message, $headers = [])
    {
        return response()->json(['status' => 'error', 'message' => $message, 'data' => []], $status, $headers);
    }
}
